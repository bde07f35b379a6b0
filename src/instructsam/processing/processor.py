"""Images and instructions -> model inputs; model outputs -> instances."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from instructsam.errors import CheckpointError, InputError, first_line
from instructsam.model.pixels import square_pixels
from instructsam.model.vlm.base import PixelRules
from instructsam.model.vlm.registry import DEFAULT, VLMS, vlm_class
from instructsam.processing.conversation import MAX_PHRASE_TOKENS, Conversation, ConversationEncoder
from instructsam.processing.tokens import TokenIds, TokenizerLike, encode_text
from instructsam.structures.checks import check_count, check_text, describe
from instructsam.structures.instances import Instances
from instructsam.structures.masks import mask_boxes_xyxy
from instructsam.structures.model_files import read_object, require_inside, wrong_content
from instructsam.structures.outputs import ModelInputs, SegmentationOutput, require_numbers

if TYPE_CHECKING:
    from PIL import Image

PROCESSOR_FILE = "processor_config.json"
TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt", "special_tokens_map.json",
    "added_tokens.json",
)  # fmt: skip
_TOKENIZER_ERRORS = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    RecursionError,
    ArithmeticError,
)


@dataclass(frozen=True)
class Sample:
    """One instruction about one image of the call.

    Attributes:
        image_index: number of the image in the call.
        instruction: the user's text.
        phrases: the phrases of the reply; None leaves the assistant turn open, for generation.
        supervise_text: with labels, whether the reply's words are supervised too.
        reply: a reply of plain text instead of phrases, for training.
        blocks: query blocks of each phrase, for training `token_per_instance`; None for one each.
    """

    image_index: int
    instruction: str
    phrases: tuple[str, ...] | None = None
    supervise_text: bool = True
    reply: str | None = None
    blocks: tuple[int, ...] | None = None


@dataclass(frozen=True)
class ProcessorSettings:
    """Everything about the inputs that the model's configuration fixes; lengths in pixels.

    Attributes:
        image_size: side of the detector's square.
        patch_size, merge_size, temporal_patch_size, min_pixels, max_pixels, square: of the VLM, see `PixelRules`.
        vlm: the VLM's family, a line of `model.vlm.registry`.
    """

    num_queries: int
    image_size: int
    patch_size: int
    merge_size: int
    temporal_patch_size: int
    min_pixels: int
    max_pixels: int
    max_instruction_tokens: int
    instance_form: str = "queries"
    vlm: str = DEFAULT
    square: int = 0

    @classmethod
    def from_config(cls, config: Any) -> ProcessorSettings:
        """Take the settings from an `InstructSAMConfig`."""
        vlm = config.vlm_config.model_type
        rules = vlm_class(vlm).pixel_rules(config.vlm_config, config.min_pixels, config.max_pixels)
        return cls(
            num_queries=config.num_queries,
            image_size=config.image_size,
            max_instruction_tokens=config.max_instruction_tokens,
            instance_form=config.instance_form,
            vlm=vlm,
            **vars(rules),
        )

    @property
    def pixel_rules(self) -> PixelRules:
        """How the VLM's images become patches."""
        return PixelRules(**{name: getattr(self, name) for name in PixelRules.__dataclass_fields__})

    @classmethod
    def from_fields(cls, fields: Any) -> ProcessorSettings:
        """Settings read from JSON.

        Raises:
            InputError: a value is not of the right type or out of range.
            TypeError: a field is missing or unknown.
        """
        if not isinstance(fields, dict):
            raise InputError(f"settings must be an object, got {describe(fields)}")
        check_text(fields.get("instance_form", "queries"), "instance_form")
        if fields.get("vlm", DEFAULT) not in VLMS:
            raise InputError(f"vlm must be one of {', '.join(VLMS)}, got {describe(fields['vlm'])}")
        for name, value in fields.items():
            if name not in ("instance_form", "vlm"):
                check_count(value, name, low=0 if name == "square" else 1)
        return cls(**fields)


class InstructSAMProcessor:
    """Tokenizer and image settings of one model."""

    def __init__(self, tokenizer: TokenizerLike, settings: ProcessorSettings) -> None:
        self.tokenizer = tokenizer
        self.settings = settings
        self.vlm = vlm_class(settings.vlm)
        self.pixel_rules = settings.pixel_rules
        self.token_ids = TokenIds.from_tokenizer(tokenizer, self.vlm)
        self.conversations = ConversationEncoder(tokenizer, self.token_ids, settings.num_queries, self.vlm)

    @classmethod
    def from_pretrained(cls, folder: str | Path, **_: Any) -> InstructSAMProcessor:
        """Load what `save_pretrained` wrote; `AutoProcessor` passes options that have no effect here.

        Raises:
            CheckpointError: a file is missing, damaged, or a link out of the folder.
        """
        path = Path(folder) / PROCESSOR_FILE
        if not path.is_file():
            raise CheckpointError(f"{folder} has no {PROCESSOR_FILE}; give a folder saved by InstructSAM")
        require_inside(Path(folder))
        try:
            settings = ProcessorSettings.from_fields(read_object(path).get("settings"))
        except (InputError, TypeError) as error:
            raise CheckpointError(f"{path} is damaged: {error}") from error
        return cls(load_tokenizer(folder), settings)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the tokenizer and `processor_config.json`."""
        self.tokenizer.save_pretrained(str(folder))
        fields = {"processor_class": type(self).__name__, "settings": vars(self.settings)}
        (Path(folder) / PROCESSOR_FILE).write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")

    def encode_instruction(self, instruction: str) -> list[int]:
        """Ids of an instruction; special tokens in it stay text.

        Raises:
            InputError: it is empty or too long.
        """
        return self.encode_words(instruction, "the instruction")

    def encode_phrases(self, phrases: Sequence[str]) -> list[list[int]]:
        """Ids of each phrase; special tokens in it stay text.

        Raises:
            InputError: one is empty or too long.
        """
        return [self.encode_words(phrase, "the phrase") for phrase in phrases]

    def encode_words(self, words: str, name: str) -> list[int]:
        """Ids of an instruction or a phrase, `name` in messages; special tokens in it stay text.

        Raises:
            InputError: it is empty or too long.
        """
        text = words.strip()
        if not text:
            raise InputError(f"{name} is empty; say in words what to segment, e.g. 'the red mugs'")
        ids = encode_text(self.tokenizer, text)
        if len(ids) > self.settings.max_instruction_tokens:
            raise InputError(
                f"{name} has {len(ids)} tokens ({len(text)} characters), this model takes at most "
                f"{self.settings.max_instruction_tokens}; shorten it"
            )
        return ids

    def encode_images(self, images: Sequence[Image.Image]) -> tuple[Tensor, Tensor, Tensor]:
        """RGB images -> VLM patches [patches, F], grids [I, 3], detector pixels [I, 3, S, S]."""
        patches, grids = zip(*(self.vlm.patches(image, self.pixel_rules) for image in images), strict=True)
        squares = torch.stack([square_pixels(image, self.settings.image_size) for image in images])
        return torch.cat(patches), torch.tensor(grids, dtype=torch.int64), squares

    def converse(self, sample: Sample, grid_thw: Sequence[int]) -> Conversation:
        """One sample as ids; `grid_thw` is its image's patch grid.

        Raises:
            InputError: the instruction or a phrase is empty or too long.
        """
        layout = self.vlm.image_layout(grid_thw, self.pixel_rules)
        conversation = self.conversations.prompt(self.encode_instruction(sample.instruction), layout)
        if sample.phrases is not None:
            phrases = self.encode_phrases(sample.phrases)
            self.conversations.add_reply(conversation, phrases, sample.supervise_text, sample.blocks)
        elif sample.reply is not None:
            self.conversations.add_text(conversation, encode_text(self.tokenizer, sample.reply))
        return conversation

    def encode(
        self, images: Sequence[Image.Image], samples: Sequence[Sample], labels: bool = False
    ) -> ModelInputs:
        """Tensors of one call.

        Args:
            images: I RGB images, upright.
            samples: B instructions, each about one of them.
            labels: also return next-token labels.

        Returns:
            `ModelInputs`, right-padded.

        Raises:
            InputError: an instruction or a phrase is empty or too long.
        """
        pixel_values, grids, squares = self.encode_images(images)
        conversations = [self.converse(sample, grids[sample.image_index].tolist()) for sample in samples]
        phrases = [
            (b, ids) for b, conversation in enumerate(conversations) for ids in conversation.phrase_ids
        ]
        phrase_ids, phrase_mask = pad_phrases([ids for _, ids in phrases])
        length = max(len(conversation.ids) for conversation in conversations)
        return ModelInputs(
            input_ids=pad([c.ids for c in conversations], length, self.token_ids.pad),
            attention_mask=pad([[1] * len(c.ids) for c in conversations], length, 0),
            block_ids=pad([c.block_ids for c in conversations], length, -1),
            pixel_values=pixel_values,
            image_grid_thw=grids,
            image_index=torch.tensor([sample.image_index for sample in samples]),
            detector_pixel_values=squares,
            phrase_ids=phrase_ids,
            phrase_mask=phrase_mask,
            phrase_sample=torch.tensor([b for b, _ in phrases], dtype=torch.int64),
            labels=pad([c.labels for c in conversations], length, -100) if labels else None,
        )

    def post_process(
        self,
        output: SegmentationOutput,
        original_sizes: Sequence[tuple[int, int]],
        score_threshold: float,
        mask_threshold: float = 0.0,
    ) -> list[Instances]:
        """Selected instances of each sample at the original size, best score first within a phrase.

        Args:
            output: of B samples; `output.phrase_sample` is the sample of each phrase.
            original_sizes: B pairs (height, width).
            score_threshold: keep scores of at least this.
            mask_threshold: binarisation of the logits.

        Raises:
            InstructSAMError: a score, mask, box or query state is NaN or infinite.
        """
        if output.phrase_sample is None:
            raise ValueError("post_process needs output.phrase_sample")
        require_numbers(
            {
                "scores": output.score_logits,
                "mask logits": output.mask_logits,
                "boxes": output.boxes_cxcywh,
                "presence scores": output.presence_logits,
                "query states": output.query_states,
            }
        )
        scores = output.score_logits.float().sigmoid()
        if output.presence_logits is not None:
            scores = scores * output.presence_logits.float().sigmoid().unsqueeze(-1)
        owners = output.phrase_sample.tolist()
        results = []
        for sample, (height, width) in enumerate(original_sizes):
            parts = []
            phrases = [row for row, owner in enumerate(owners) if owner == sample]
            for phrase_id, row in enumerate(phrases):
                order = scores[row].argsort(descending=True)
                order = order[scores[row][order] >= score_threshold]
                masks = resize_masks(output.mask_logits[row][order], height, width, mask_threshold)
                drawn = masks.any(axis=(1, 2))  # an instance without a pixel is no instance
                masks, order = masks[drawn], order[torch.from_numpy(drawn).to(order.device)]
                parts.append(
                    Instances(
                        masks=masks,
                        boxes_xyxy=mask_boxes_xyxy(masks),
                        scores=scores[row][order].cpu().numpy().astype(np.float32),
                        phrase_ids=np.full(len(order), phrase_id, dtype=np.int64),
                    )
                )
            results.append(Instances.concatenate(parts) if parts else Instances.empty(height, width))
        return results


class _DamagedTokenizer:
    """Converts the errors of a damaged tokenizer into a `CheckpointError`.

    The tokenizers library raises `Exception` itself, which an except clause cannot tell from its subclasses.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is Exception or isinstance(error, _TOKENIZER_ERRORS):
            message = f"the tokenizer in {self.folder} is damaged: {first_line(Exception(str(error)))}"
            raise CheckpointError(message) from error


def load_tokenizer(folder: str | Path) -> TokenizerLike:
    """Load the tokenizer of a folder.

    Raises:
        CheckpointError: there is none, or it is damaged.
    """
    from transformers import AutoTokenizer

    folder = Path(folder)
    if not any((folder / name).is_file() for name in ("tokenizer.json", "vocab.json")):
        raise CheckpointError(
            f"{folder} holds no tokenizer (no tokenizer.json); copy the model's own into it"
        )
    require_inside(folder)
    for name in TOKENIZER_FILES:
        # Only a plain file is opened: reading a pipe would wait forever.
        if (folder / name).is_file() and (problem := wrong_content(folder / name)) is not None:
            raise CheckpointError(f"the tokenizer in {folder} is damaged: {problem}")
    with _DamagedTokenizer(folder):
        tokenizer: TokenizerLike = AutoTokenizer.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False
        )
    return tokenizer


def resize_masks(
    mask_logits: Tensor, height: int, width: int, mask_threshold: float = 0.0
) -> np.ndarray[Any, Any]:
    """Logits [N, h, w] -> bool [N, height, width]: bilinear on the logits, then the threshold.

    One mask at a time: ten float masks of a 50-megapixel photograph would take two gigabytes.
    """
    masks = np.zeros((len(mask_logits), height, width), dtype=np.bool_)
    for row, logits in enumerate(mask_logits.float()):
        resized = F.interpolate(logits[None, None], size=(height, width), mode="bilinear")
        masks[row] = (resized[0, 0] > mask_threshold).cpu().numpy()
    return masks


def pad(rows: Sequence[Sequence[int]], length: int, value: int) -> Tensor:
    """Right-pad to int64 [B, length]."""
    return torch.tensor([[*row, *[value] * (length - len(row))] for row in rows], dtype=torch.int64)


def pad_phrases(phrases: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Phrase ids int64 [P, T] and mask bool [P, T]; T is always 32, as in the published model."""
    cut = [list(phrase[:MAX_PHRASE_TOKENS]) for phrase in phrases]
    ids = torch.zeros(len(cut), MAX_PHRASE_TOKENS, dtype=torch.int64)
    mask = torch.zeros(len(cut), MAX_PHRASE_TOKENS, dtype=torch.bool)
    for row, phrase in enumerate(cut):
        ids[row, : len(phrase)] = torch.tensor(phrase, dtype=torch.int64)
        mask[row, : len(phrase)] = True
    return ids, mask
