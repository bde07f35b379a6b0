"""Images and instructions -> model inputs; model outputs -> instances."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from instructsam.errors import CheckpointError, InputError
from instructsam.model.pixels import normalize, square_bytes, to_tensor
from instructsam.model.vlm.registry import vlm_class
from instructsam.processing.conversation import Conversation, ConversationEncoder
from instructsam.processing.padding import pad, pad_phrases
from instructsam.processing.results import select_instances
from instructsam.processing.settings import ProcessorSettings
from instructsam.processing.tokenizer_files import load_tokenizer
from instructsam.processing.tokens import TokenIds, TokenizerLike, encode_text
from instructsam.processing.word_list import phrase_words, read_words, save_words
from instructsam.structures.instances import Instances
from instructsam.structures.model_files import read_object, require_inside
from instructsam.structures.outputs import ModelInputs, SegmentationOutput

if TYPE_CHECKING:
    from PIL import Image

    from instructsam.model.phrase_words import PhraseWords

PROCESSOR_FILE = "processor_config.json"


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


class InstructSAMProcessor:
    """Tokenizer, image settings and word list of one model."""

    def __init__(
        self, tokenizer: TokenizerLike, settings: ProcessorSettings, words: Collection[str] | None = None
    ) -> None:
        """A processor; `words` are those that phrases may have, None for any."""
        self.tokenizer = tokenizer
        self.settings = settings
        self.words = None if words is None else frozenset(words)
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
        return cls(load_tokenizer(folder), settings, read_words(folder))

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the tokenizer, `processor_config.json` and, with a word list, `words.txt`."""
        self.tokenizer.save_pretrained(str(folder))
        fields = {"processor_class": type(self).__name__, "settings": self.settings.to_fields()}
        (Path(folder) / PROCESSOR_FILE).write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")
        save_words(self.words, folder)

    def with_words(self, words: Collection[str]) -> InstructSAMProcessor:
        """The same tokenizer and settings with another word list."""
        return type(self)(self.tokenizer, self.settings, words)

    @cached_property
    def _word_list(self) -> PhraseWords | None:
        if self.words is None:
            return None
        return phrase_words(self.tokenizer, self.token_ids.as_dict().values(), self.words)

    def phrase_words(self, instructions: Sequence[str]) -> tuple[PhraseWords, ...] | None:
        """Of each instruction the words that its phrases may have; None without a word list.

        Raises:
            CheckpointError: the tokenizer is no byte-level BPE.
        """
        words = self._word_list
        return None if words is None else tuple(words.with_instruction(text) for text in instructions)

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
        """RGB images -> VLM patches [patches, F], grids [I, 3], detector pixels [I, 3, S, S], as floats."""
        patches, grids, squares = self.encode_bytes(images)
        return self.vlm.pixel_values(patches, self.pixel_rules), grids, normalize(squares)

    def encode_bytes(
        self, images: Sequence[Image.Image | NDArray[np.uint8]]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """As `encode_images`, of images or arrays uint8 [H, W, 3]; patches and pixels stay bytes."""
        every = [to_tensor(image) for image in images]
        patches, grids = zip(
            *(self.vlm.patch_bytes(pixels, self.pixel_rules) for pixels in every), strict=True
        )
        squares = torch.stack([square_bytes(pixels, self.settings.image_size) for pixels in every])
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
        return self.encode_samples(self.encode_images(images), samples, labels)

    def encode_samples(
        self, pixels: tuple[Tensor, Tensor, Tensor], samples: Sequence[Sample], labels: bool = False
    ) -> ModelInputs:
        """As `encode`, with images that are tensors of `encode_images` or `encode_bytes` already."""
        pixel_values, grids, squares = pixels
        inputs = self.encode_conversations(grids, samples, labels)
        return replace(inputs, pixel_values=pixel_values, detector_pixel_values=squares)

    def encode_conversations(
        self, grids: Tensor, samples: Sequence[Sample], labels: bool = False
    ) -> ModelInputs:
        """As `encode`, for images that are encoded already: without their pixels.

        Args:
            grids: int64 [I, 3], the VLM's patch grids.
            samples: B instructions, each about one of the images.
            labels: also return next-token labels.
        """
        sizes: list[list[int]] = grids.tolist()
        conversations = [self.converse(sample, sizes[sample.image_index]) for sample in samples]
        phrases = [
            (b, ids) for b, conversation in enumerate(conversations) for ids in conversation.phrase_ids
        ]
        phrase_ids, phrase_mask = pad_phrases([ids for _, ids in phrases])
        length = max(len(conversation.ids) for conversation in conversations)
        return ModelInputs(
            input_ids=pad([c.ids for c in conversations], length, self.token_ids.pad),
            attention_mask=pad([[1] * len(c.ids) for c in conversations], length, 0),
            block_ids=pad([c.block_ids for c in conversations], length, -1),
            pixel_values=torch.zeros(0),
            image_grid_thw=grids,
            image_index=torch.tensor([sample.image_index for sample in samples]),
            detector_pixel_values=torch.zeros(0),
            phrase_ids=phrase_ids,
            phrase_mask=phrase_mask,
            phrase_sample=torch.tensor([b for b, _ in phrases], dtype=torch.int64),
            labels=pad([c.labels for c in conversations], length, -100) if labels else None,
        )

    def post_process(
        self,
        output: SegmentationOutput,
        original_sizes: Sequence[tuple[int, int]],
        score_threshold: float | Sequence[float],
        mask_threshold: float = 0.0,
    ) -> list[Instances]:
        """Selected instances of each sample; see `results.select_instances`."""
        return select_instances(output, original_sizes, score_threshold, mask_threshold)
