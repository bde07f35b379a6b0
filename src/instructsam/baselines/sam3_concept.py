"""SAM3 by itself: its own text encoder takes the instruction as a noun phrase (arXiv 2511.16719).

The stock `Sam3Model` of transformers, unmodified; only pixels and token ids are made here, because its own
processor needs torchvision. P phrases, Q decoder slots (200 in the published weights).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import torch
from PIL import Image

from instructsam.checkpoints.devices import pick_device, pick_dtype
from instructsam.checkpoints.fingerprint import weights_fingerprint
from instructsam.checkpoints.stock import DEFAULT_DETECTOR, base_folder, load_stock
from instructsam.errors import CheckpointError, InputError
from instructsam.images.loader import LoadedImage, load_image
from instructsam.model.pixels import square_pixels
from instructsam.processing.results import resize_masks
from instructsam.processing.tokenizer_files import load_tokenizer
from instructsam.processing.tokens import encode_text
from instructsam.structures.answering import Mode
from instructsam.structures.calls import Calls
from instructsam.structures.instances import Instances
from instructsam.structures.masks import mask_boxes_xyxy
from instructsam.structures.outputs import require_numbers
from instructsam.structures.predictions import Prediction

if TYPE_CHECKING:
    from instructsam.inference.segmenter import ImageSource

SCORE_THRESHOLD = 0.5  # as in SAM3's own demos and agent


class Sam3Concept:
    """A stock SAM3, prompted with one noun phrase at a time.

    Attributes:
        calls: every pass of the detector so far.
        default_mode: "direct": the instruction is its own phrase; SAM3 cannot write another.
    """

    default_mode: Mode = "direct"

    def __init__(self, model: Any, tokenizer: Any, score_threshold: float = SCORE_THRESHOLD) -> None:
        """A `Sam3Model` in any number format with the CLIP tokenizer beside it; see `load_sam3`."""
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.calls = Calls()
        self._score_threshold = score_threshold
        self._seen: tuple[ImageSource, LoadedImage, Any] | None = None

    @property
    def score_threshold(self) -> float:
        """Least score of an instance that is kept by default."""
        return self._score_threshold

    @cached_property
    def fingerprint(self) -> str:
        """Twelve characters that differ between weights."""
        return weights_fingerprint(self.model.state_dict())

    @overload
    def segment(
        self, image: ImageSource, *, phrases: Sequence[str], score_threshold: float | None = ...
    ) -> Prediction: ...

    @overload
    def segment(
        self, image: ImageSource, instruction: str, *, mode: Mode = ..., score_threshold: float | None = ...
    ) -> Prediction: ...

    @overload
    def segment(
        self,
        image: ImageSource,
        instruction: list[str] | tuple[str, ...],
        *,
        mode: Mode = ...,
        score_threshold: float | None = ...,
    ) -> list[Prediction]: ...

    def segment(
        self,
        image: ImageSource,
        instruction: str | Sequence[str] | None = None,
        *,
        phrases: Sequence[str] | None = None,
        mode: Mode = "auto",
        score_threshold: float | None = None,
    ) -> Prediction | list[Prediction]:
        """Find every instance of a concept.

        Args:
            image: path, PIL or uint8 [H, W, 3]; the image of the last call is not encoded again.
            instruction: its own noun phrase; a list is answered one by one.
            phrases: noun phrases instead, all of one prediction.
            mode: makes no difference: the instruction is always the phrase.
            score_threshold: keep instances of at least this score (slot times presence).

        Raises:
            InputError: neither words nor phrases, or empty ones.
            InstructSAMError: scores or masks are NaN or infinite.
        """
        threshold = self.score_threshold if score_threshold is None else score_threshold
        if phrases is not None:
            return self._answer(image, ", ".join(phrases), phrases, threshold)
        if instruction is None:
            raise InputError("say what to segment: give an instruction, or phrases=[...]")
        if isinstance(instruction, str):
            return self._answer(image, instruction, [instruction], threshold)
        return [self._answer(image, text, [text], threshold) for text in instruction]

    @torch.inference_mode()
    def _answer(
        self, image: ImageSource, instruction: str, phrases: Sequence[str], threshold: float
    ) -> Prediction:
        given = tuple(phrase.strip() for phrase in phrases)
        if not given or not all(given):
            raise InputError("a phrase must not be empty, e.g. 'red mug'")
        loaded, notes, parts = self._load(image), [], []
        for number, phrase in enumerate(given):
            with self.calls.timed("detector", instruction, phrase):
                ids, note = self._ids(phrase)
                parts.append(self._detect(self._encode(image, loaded), ids, loaded.image, number, threshold))
            notes += [note] if note else []
        slots = self.model.config.detr_decoder_config.num_queries
        saturated = any(len(found) >= slots for found in parts)
        instances = Instances.concatenate(parts)
        return Prediction(
            instances=instances,
            phrases=given,
            text="",
            status="saturated" if saturated else "ok" if len(instances) else "no_target",
            instruction=instruction,
            original_size=instances.size,
            image=loaded.image,
            notes=(*loaded.notes, *notes),
            num_queries=slots,
        )

    def _load(self, image: ImageSource) -> LoadedImage:
        known = self._seen is not None and self._seen[0] is image and isinstance(image, Image.Image)
        return self._seen[1] if self._seen is not None and known else load_image(image)

    def _encode(self, image: ImageSource, loaded: LoadedImage) -> Any:
        """SAM3's vision features, kept for the next call about the same PIL image."""
        if self._seen is not None and self._seen[1] is loaded:
            return self._seen[2]
        size = self.model.config.vision_config.backbone_config.image_size
        pixels = square_pixels(loaded.image, size).unsqueeze(0)
        vision = self.model.get_vision_features(pixels.to(self.model.device, self.model.dtype))
        self._seen = (image, loaded, vision)
        return vision

    def _ids(self, phrase: str) -> tuple[list[int], str]:
        """Token ids with their end marks, and a note where the phrase had to be cut."""
        marks = [self.tokenizer.bos_token_id], [self.tokenizer.eos_token_id]
        start, end = ([token for token in mark if token is not None] for mark in marks)
        room = self.model.config.text_config.max_position_embeddings - len(start) - len(end)
        ids = encode_text(self.tokenizer, phrase)
        note = ""
        if len(ids) > room:
            note = (
                f"SAM3 reads {room} tokens of a phrase: the last {len(ids) - room} of {len(ids)} were cut off"
            )
        return [*start, *ids[:room], *end], note

    def _detect(
        self, vision: Any, ids: list[int], image: Image.Image, number: int, threshold: float
    ) -> Instances:
        length = self.model.config.text_config.max_position_embeddings
        fill = self.tokenizer.pad_token_id or 0
        padded = torch.tensor([[*ids, *[fill] * (length - len(ids))]], device=self.model.device)
        mask = (torch.arange(length, device=self.model.device) < len(ids)).long().unsqueeze(0)
        output = self.model(vision_embeds=vision, input_ids=padded, attention_mask=mask)
        require_numbers(
            {
                "scores": output.pred_logits,
                "presence scores": output.presence_logits,
                "mask logits": output.pred_masks,
            }
        )
        scores = output.pred_logits[0].float().sigmoid() * output.presence_logits[0].float().sigmoid()
        order = scores.argsort(descending=True)
        order = order[scores[order] >= threshold]
        # As in the stock post-processing: probabilities are resized, then cut at one half.
        masks = resize_masks(output.pred_masks[0][order].float().sigmoid(), image.height, image.width, 0.5)
        drawn = masks.any(axis=(1, 2))
        kept = scores[order].cpu().numpy().astype(np.float32)[drawn]
        masks = masks[drawn]
        return Instances(masks, mask_boxes_xyxy(masks), kept, np.full(len(masks), number, dtype=np.int64))


def load_sam3(
    name_or_path: str | Path = DEFAULT_DETECTOR,
    device: str = "auto",
    dtype: str = "auto",
    score_threshold: float = SCORE_THRESHOLD,
) -> Sam3Concept:
    """A stock SAM3 with its tokenizer.

    Args:
        name_or_path: folder or hub id, such as "facebook/sam3".
        device, dtype: as in `instructsam.load`.
        score_threshold: the default of its answers.

    Raises:
        CheckpointError: it is missing, gated, damaged, not a SAM3, or has no tokenizer.
        InputError: unknown device or dtype.
    """
    from transformers import Sam3Model

    target = pick_device(device)
    folder = base_folder(name_or_path)
    model = load_stock(Sam3Model, folder, pick_dtype(dtype, target), "sam3")
    tokenizer: Any = load_tokenizer(folder)
    if tokenizer.eos_token_id is None:
        raise CheckpointError(f"the tokenizer in {folder} has no end token; copy SAM3's own into it")
    return Sam3Concept(model.to(target), tokenizer, score_threshold)
