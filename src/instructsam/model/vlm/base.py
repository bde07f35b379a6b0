"""The interface of a vision-language model (VLM): the model, processor, training and checkpoints use nothing else.

B conversations, I images, L tokens, D VLM width, A position axes (3 for M-RoPE, else 1).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor, nn
from transformers import DynamicCache, PreTrainedConfig

from instructsam.model.pixels import normalize, to_tensor

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class ChatFormat:
    """How a family writes a conversation. A piece is one special token or plain text.

    Attributes:
        roles: pieces that open a turn, by role: "system", "user", "assistant".
        end: pieces that close a turn; the first one is the token that ends a reply.
        begin: pieces before the first turn.
    """

    roles: Mapping[str, tuple[str, ...]]
    end: tuple[str, ...]
    begin: tuple[str, ...] = ()


@dataclass(frozen=True)
class PixelRules:
    """How an image becomes patches and image tokens; lengths in pixels.

    Attributes:
        patch_size: side of a patch.
        merge_size: an image token stands for merge_size x merge_size patches.
        temporal_patch_size: frames per patch; a still image is repeated.
        min_pixels, max_pixels: area limits of a resize that keeps the aspect ratio.
        square: side of the square that every image is resized to; 0 where the aspect ratio is kept.
    """

    patch_size: int
    merge_size: int
    temporal_patch_size: int
    min_pixels: int
    max_pixels: int
    square: int = 0


@dataclass(frozen=True)
class VLMSizes:
    """Sizes of a small VLM, as a size preset of the whole model states them; lengths in pixels.

    Attributes:
        image_size: the image's side in the position table of the vision encoder.
        patch_size: side of a patch; patches are merged 2 x 2.
        width: D, also of the vision encoder.
        token_ids: field names of `processing.tokens.TokenIds` -> ids.
    """

    image_size: int
    patch_size: int
    width: int
    vision_layers: int
    text_layers: int
    heads: int
    tie_embeddings: bool
    vocab_size: int
    token_ids: Mapping[str, int]


@dataclass(frozen=True)
class ImageEmbeds:
    """Images as the language model takes them.

    Attributes:
        embeds: per image, float [tokens, D]: the embeddings at its image positions.
        deepstack: per early layer of the language model and image, float [tokens, D], added to the hidden states at
            the image positions after that layer (DeepStack); empty in most families.
    """

    embeds: tuple[Tensor, ...]
    deepstack: tuple[tuple[Tensor, ...], ...] = ()

    def select(self, image_index: Sequence[int], like: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Rows of some images, one after the other, in the number format of `like`: embeddings and DeepStack."""
        import torch

        rows, *layers = (
            torch.cat([layer[i] for i in image_index]).to(like.dtype)
            for layer in (self.embeds, *self.deepstack)
        )
        return rows, layers

    def of_image(self, image: int) -> ImageEmbeds:
        """The embeddings of one image."""
        one = slice(image, image + 1)
        return ImageEmbeds(self.embeds[one], tuple(layer[one] for layer in self.deepstack))

    @staticmethod
    def concatenate(parts: Sequence[ImageEmbeds]) -> ImageEmbeds:
        """The images of all parts, one part after the other."""
        layers = zip(*(part.deepstack for part in parts), strict=True)
        return ImageEmbeds(
            tuple(chain.from_iterable(part.embeds for part in parts)),
            tuple(tuple(chain.from_iterable(layer)) for layer in layers),
        )

    def tensors(self) -> tuple[Tensor, ...]:
        """Every tensor."""
        return (*self.embeds, *chain.from_iterable(self.deepstack))

    def map(self, function: Callable[[Tensor], Tensor]) -> ImageEmbeds:
        """The function of every tensor."""
        return ImageEmbeds(
            tuple(map(function, self.embeds)), tuple(tuple(map(function, layer)) for layer in self.deepstack)
        )


class VLM(nn.Module, ABC):
    """A VLM of transformers with the methods that InstructSAM needs; subclasses also inherit the stock model.

    A further family is one file with a subclass and one line in `registry`. `vlm_config.model_type` in config.json
    chooses the class. The stock modules and their parameter names stay unchanged.

    Attributes:
        model_type: that of its configuration, and its name in the registry.
        config_class: its configuration; has a `text_config`.
        tokens: spelling of the special tokens, by field of `processing.tokens.TokenIds`.
        extra_tokens: further special tokens of its image layout.
        chat: how it writes a conversation.
        parts: title and name prefix of its parts, for tables.
        token_table: name of the token embeddings in its state dictionary.
        language_model: the module that `encode` runs.
    """

    model_type: ClassVar[str]
    config_class: ClassVar[Any]
    tokens: ClassVar[Mapping[str, str]]
    extra_tokens: ClassVar[tuple[str, ...]] = ()
    chat: ClassVar[ChatFormat]
    parts: ClassVar[tuple[tuple[str, str], ...]]
    token_table: ClassVar[str]
    config: Any
    language_model: Any

    # ---- configuration

    @staticmethod
    @abstractmethod
    def small_config(sizes: VLMSizes) -> dict[str, Any]:
        """The configuration of a small VLM."""

    @staticmethod
    def config_token_ids(config: Any) -> dict[str, int]:
        """Ids of special tokens that its configuration fixes, by field of `TokenIds`."""
        return {"image": int(config.image_token_id)}

    @staticmethod
    @abstractmethod
    def linear_widths(config: Any) -> list[int]:
        """Input widths of its linear layers, which limit the block size of quantization."""

    # ---- inputs

    @staticmethod
    @abstractmethod
    def pixel_rules(config: Any, min_pixels: int, max_pixels: int) -> PixelRules:
        """How images become patches, within the given area limits where the family keeps the aspect ratio."""

    @staticmethod
    @abstractmethod
    def patch_bytes(pixels: Tensor, rules: PixelRules) -> tuple[Tensor, tuple[int, int, int]]:
        """An image uint8 [1, 3, H, W] as the bytes that `pixel_values` takes.

        Returns:
            uint8 [N, ...], concatenated over images along the first dimension, and the grid of patches as
            (frames, rows, columns).
        """

    @staticmethod
    def pixel_values(patches: Tensor, rules: PixelRules) -> Tensor:
        """The vision encoder's input, float [N, ...], from the bytes of `patch_bytes`, on their device."""
        return normalize(patches)

    @classmethod
    def patches(cls, image: Image.Image, rules: PixelRules) -> tuple[Tensor, tuple[int, int, int]]:
        """An RGB image as the vision encoder's input, and the grid of patches as (frames, rows, columns)."""
        found, grid = cls.patch_bytes(to_tensor(image), rules)
        return cls.pixel_values(found, rules), grid

    @classmethod
    @abstractmethod
    def image_layout(cls, grid: Sequence[int], rules: PixelRules) -> list[str]:
        """The special tokens that stand for an image in a conversation, by spelling."""

    @staticmethod
    @abstractmethod
    def stock_inputs(pixel_values: Tensor, image_grid_thw: Tensor, is_image: Tensor) -> dict[str, Any]:
        """Image arguments of the stock model's `generate` for one conversation.

        Args:
            pixel_values, image_grid_thw: of all its images.
            is_image: bool [1, L], the image positions.
        """

    # ---- forward

    @abstractmethod
    def encode_images(self, pixel_values: Tensor, image_grid_thw: Tensor) -> ImageEmbeds:
        """Run the vision encoder once per image.

        Args:
            pixel_values: float, from `patches`.
            image_grid_thw: int64 [I, 3]; on the host, nothing waits for the device.
        """

    @abstractmethod
    def positions(self, input_ids: Tensor, attention_mask: Tensor, image_grid_thw: Tensor) -> Tensor:
        """Positions of whole conversations, int64 [A, B, L]; text after an image counts on by 1 on every axis.

        Depends on the configuration alone: loader workers call it on an instance without weights.

        Args:
            input_ids, attention_mask: int64 [B, L].
            image_grid_thw: int64 [B, 3], the grid of each conversation's image.
        """

    @abstractmethod
    def encode(
        self,
        inputs_embeds: Tensor,
        attention_mask: Tensor,
        positions: Tensor,
        cache: DynamicCache | None,
        is_image: Tensor | None,
        deepstack: list[Tensor],
    ) -> Tensor:
        """Run the language model: final-norm hidden states, float [B, L, D].

        Args:
            inputs_embeds: float [B, L, D], images and queries written in.
            attention_mask: [B, 1, L, cached + L], from `hybrid_mask`.
            positions: int64 [A, B, L].
            cache: keys and values of earlier steps; holds this step afterwards.
            is_image: bool [B, L], the image positions, or int64 indices of these among the B * L tokens; None for a
                step without images.
            deepstack: from `ImageEmbeds.select`.
        """

    @abstractmethod
    def vision_modules(self) -> tuple[nn.Module, ...]:
        """The modules that `encode_images` runs."""

    # ---- initialization

    def initialize_encoder(self) -> None:
        """Position table and attention of a small vision encoder that trains from scratch."""

    # ---- pretrained weights

    @classmethod
    @abstractmethod
    def stock_class(cls) -> Any:
        """The class of transformers that loads its pretrained weights."""

    @classmethod
    def from_stock(cls, stock: Any) -> dict[str, Tensor]:
        """Tensors of a stock model under the names of `InstructSAMModel`: "vlm." and "lm_head."."""
        tensors: dict[str, Tensor] = {f"vlm.{name}": t for name, t in stock.model.state_dict().items()}
        return {**tensors, "lm_head.weight": stock.lm_head.weight.detach()}


def hidden_size(config: PreTrainedConfig) -> int:
    """D, the width of a VLM."""
    return int(config.get_text_config().hidden_size)
