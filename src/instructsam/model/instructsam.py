"""InstructSAM: a vision-language model carries instance queries, and they drive a detector.

Source: InstructSAM, arXiv 2605.26102; the exact specification is recorded in docs/model.md.

Shapes: B samples (instructions), I images, L tokens, P phrases of the whole batch, Q queries per phrase, D VLM
width, C detector width, T phrase tokens (at most 32), V vocabulary, h w mask size.

The whole method, top to bottom: `forward` embeds the conversation, writes the instance queries over the query
blocks, runs the VLM once under hybrid attention, projects the hidden states of the blocks, and lets the detector
turn them into masks, boxes and scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, DynamicCache, PreTrainedModel

from instructsam.model.attention import hybrid_mask, kernel_mask, require_hybrid_support
from instructsam.model.configuration import InstructSAMConfig
from instructsam.model.detector.base import Detector, DetectorFeatures, ExtraQueries
from instructsam.model.detector.registry import detector_class
from instructsam.model.features import ImageFeatures
from instructsam.model.packed import PackedConversations
from instructsam.model.pixels import normalize
from instructsam.model.queries import InstanceQueries, write_queries
from instructsam.model.shared_prefix import encode_shared
from instructsam.model.vlm.base import VLM, ImageEmbeds
from instructsam.model.vlm.registry import vlm_class
from instructsam.structures.outputs import SegmentationOutput


class InstructSAMModel(PreTrainedModel):
    """Image and instruction in, a set of masks per phrase out."""

    config_class = InstructSAMConfig
    base_model_prefix = "instructsam"
    main_input_name = "input_ids"
    input_modalities: ClassVar[Any] = ("image", "text")
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = False

    def __init__(
        self, config: InstructSAMConfig, vlm: VLM | None = None, detector: Detector | None = None
    ) -> None:
        """A model of given parts.

        Args:
            config: sizes of all parts.
            vlm: the VLM; default: a new one of the class that `config` names.
            detector: the detector; default: a new one of the class that `config` names.
        """
        require_hybrid_support(config._attn_implementation)
        super().__init__(config)
        if vlm is None:
            vlm = vlm_class(config.vlm_config.model_type)(config.vlm_config)
        if detector is None:
            detector_type = detector_class(config.detector_config.model_type)
            detector = detector_type(config.detector_config, config.use_presence)
        width, detector_width = config.hidden_size, config.detector_size
        self.vlm: VLM = vlm
        self.lm_head = nn.Linear(width, config.vlm_config.get_text_config().vocab_size, bias=False)
        self.instance_queries = InstanceQueries(config.num_queries, width, config.slot_boxes)
        projectors = config.variant("projectors")
        self.query_projector = projectors.projector(width, detector_width)
        self.phrase_projector = projectors.projector(width, detector_width)
        self.detector: Detector = detector
        self._tied_weights_keys = {"lm_head.weight": f"vlm.{vlm.token_table}"}
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, InstanceQueries) and not getattr(module.weight, "_is_hf_initialized", False):
            nn.init.normal_(module.weight, std=0.02)

    def save_pretrained(self, save_directory: Any, **options: Any) -> None:
        """Write our own layout, also where the weights were read from the published one."""
        options.setdefault("save_original_format", False)
        super().save_pretrained(save_directory, **options)

    def get_input_embeddings(self) -> Any:
        return self.vlm.language_model.get_input_embeddings()

    def set_input_embeddings(self, value: Any) -> None:
        self.vlm.language_model.set_input_embeddings(value)

    def get_output_embeddings(self) -> Any:
        return self.lm_head

    def set_output_embeddings(self, new_embeddings: Any) -> None:
        self.lm_head = new_embeddings

    def encode_images(
        self, pixel_values: Tensor, image_grid_thw: Tensor, detector_pixel_values: Tensor
    ) -> ImageFeatures:
        """Run both vision encoders, once per image.

        Args:
            pixel_values: float [patches of all images, ...], from `VLM.patches`, or uint8 from `VLM.patch_bytes`.
            image_grid_thw: int64 [I, 3].
            detector_pixel_values: float [I, 3, S, S], or uint8 in training.
        """
        embeds = self.encode_vlm_images(pixel_values, image_grid_thw)
        return ImageFeatures(embeds, image_grid_thw, self.encode_detector_images(detector_pixel_values))

    def encode_vlm_images(self, pixel_values: Tensor, image_grid_thw: Tensor) -> ImageEmbeds:
        """Run the VLM's vision encoder; arguments as in `encode_images`."""
        if pixel_values.dtype == torch.uint8:
            rules = self.vlm.pixel_rules(
                self.config.vlm_config, self.config.min_pixels, self.config.max_pixels
            )
            pixel_values = self.vlm.pixel_values(pixel_values, rules)
        return self.vlm.encode_images(pixel_values.to(self.dtype), image_grid_thw)

    def encode_detector_images(self, pixel_values: Tensor) -> DetectorFeatures:
        """Run the detector's vision encoder; `pixel_values` as `detector_pixel_values` in `encode_images`."""
        if pixel_values.dtype == torch.uint8:
            pixel_values = normalize(pixel_values)
        return self.detector.encode(pixel_values.to(self.dtype))

    def embed(self, input_ids: Tensor, block_ids: Tensor, image_rows: Tensor | None = None) -> Tensor:
        """Token embeddings with the images and the instance queries written in: float [B, L, D].

        Args:
            input_ids: int64 [B, L].
            block_ids: int64 [B, L], -1 outside query blocks.
            image_rows: float [image positions, D], the embeddings at all image positions.
        """
        embeds: Tensor = self.get_input_embeddings()(input_ids)
        if image_rows is not None:
            is_image = input_ids == self.image_token_id
            embeds = embeds.masked_scatter(is_image.unsqueeze(-1), image_rows)
        return write_queries(self.query_bank(), embeds, block_ids)

    def query_bank(self) -> Tensor:
        """The embeddings of every query block: float [Q, D]."""
        bank: Tensor = self.instance_queries(self.detector.slot_boxes() if self.config.slot_boxes else None)
        return bank

    def positions(self, input_ids: Tensor, attention_mask: Tensor, grid_thw: Tensor) -> Tensor:
        """Positions of whole sequences, query blocks included: int64 [A, B, L]."""
        return self.vlm.positions(input_ids, attention_mask, grid_thw)

    def encode(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        block_ids: Tensor,
        positions: Tensor,
        images: ImageFeatures | None = None,
        image_index: Sequence[int] | None = None,
        cache: DynamicCache | None = None,
        visible_blocks: Tensor | None = None,
    ) -> Tensor:
        """The VLM under hybrid attention: final-norm hidden states, float [B, L, D].

        Args:
            input_ids: int64 [B, L] of this step.
            block_ids: int64 [B, L] of this step, -1 outside query blocks.
            attention_mask: int64 [B, cached + L], 0 at padding.
            positions: int64 [A, B, L], from `positions()`.
            images: all images of the call; None for a step without image tokens.
            image_index: the image of each row; None for a step without image tokens.
            cache: keys and values of earlier steps; holds this step afterwards.
            visible_blocks: int64 [B, L], the tokens that attend to each other both ways; default: `block_ids`.
        """
        rows, is_image = None, None
        deepstack: list[Tensor] = []
        if images is not None and image_index is not None:
            rows, deepstack = images.vlm.select(image_index, self.get_input_embeddings().weight)
            is_image = input_ids == self.image_token_id
        embeds = self.embed(input_ids, block_ids, rows)
        blocks = block_ids if visible_blocks is None else visible_blocks
        blocks = self.config.variant("query_attention").attention_blocks(blocks)
        mask = hybrid_mask(self.vlm.language_model.config, embeds, attention_mask, blocks, cache)
        return self.vlm.encode(embeds, mask, positions, cache, is_image, deepstack)

    def encode_packed(self, packed: PackedConversations, images: ImageFeatures) -> Tensor:
        """The VLM under hybrid attention over packed conversations: final-norm hidden states, float [R * W, D]."""
        table = self.get_input_embeddings()
        rows, deepstack = images.vlm.select(packed.images, table.weight)
        bank = self.query_bank().to(table.weight.dtype)
        queries = bank.repeat(len(packed.query_places) // len(bank), 1)
        embeds = table(packed.input_ids)
        written = embeds.flatten(0, 1).index_copy(0, packed.written_places, torch.cat([rows, queries]))
        blocks = self.config.variant("query_attention").attention_blocks(packed.blocks)
        mask = kernel_mask(packed.visible(blocks), self.vlm.language_model.config, embeds.dtype)
        hidden = self.vlm.encode(
            written.view_as(embeds), mask, packed.positions, None, packed.image_places, deepstack
        )
        return hidden.flatten(0, 1)

    @property
    def image_token_id(self) -> int:
        """Id of the image positions."""
        return int(self.config.vlm_config.image_token_id)

    @property
    def can_cache(self) -> bool:
        """Whether a forward pass keeps keys and values: not under gradient checkpointing."""
        return not (self.training and self.vlm.language_model.gradient_checkpointing)

    def new_cache(self) -> DynamicCache:
        """An empty cache of keys and values."""
        return DynamicCache(config=self.vlm.language_model.config)

    def at_queries(self, hidden: Tensor, block_ids: Tensor) -> Tensor:
        """Hidden states [B, L, D] at the query blocks, in phrase order: float [P, Q, D]."""
        blocks: Tensor = hidden[block_ids >= 0].unflatten(0, (-1, self.config.num_queries))
        return blocks

    def detect(
        self,
        query_states: Tensor,
        phrase_ids: Tensor,
        phrase_mask: Tensor,
        features: DetectorFeatures,
        auxiliary: bool = False,
        extra: ExtraQueries | None = None,
    ) -> SegmentationOutput:
        """Projected queries and phrase tokens drive the detector; `features` has a row per phrase.

        Phrase tokens are *input embeddings*, not hidden states, zeroed at padding after the projector.
        """
        queries = self.query_projector(query_states)
        text = self.phrase_projector(self.get_input_embeddings()(phrase_ids))
        text = text * phrase_mask.unsqueeze(-1).to(text.dtype)
        return self.detector.detect(features, queries, text, phrase_mask, auxiliary, extra)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        block_ids: Tensor,
        image_index: Tensor,
        phrase_ids: Tensor,
        phrase_mask: Tensor,
        phrase_sample: Tensor,
        pixel_values: Tensor | None = None,
        image_grid_thw: Tensor | None = None,
        detector_pixel_values: Tensor | None = None,
        labels: Tensor | None = None,
        images: ImageFeatures | None = None,
        auxiliary: bool = False,
        text_logits: bool = False,
        detected: Tensor | None = None,
        extra: ExtraQueries | None = None,
        packed: PackedConversations | None = None,
    ) -> SegmentationOutput:
        """One pass over finished conversations; arguments as in `ModelInputs`.

        Give either the three pixel arguments or `images`, already encoded.

        Returns:
            mask_logits [P, Q, h, w], score_logits [P, Q], boxes_cxcywh [P, Q, 4], query_states [P, Q, D],
            semantic_logits [P, h, w]; presence_logits [P] where the model has the token; with `text_logits`
            text_logits [B, L, V]; with `auxiliary` the earlier decoder layers. `labels` belong to the criterion.
            With `detected`, int64 [P'], the detector answers only these phrases, and P' stands for P in all but
            query_states. `extra` queries of training are answered beside the others, in `output.extra`.
            `packed` holds the same conversations, packed for training: `text_logits` are then those of its supervised
            tokens alone, [N, V].
        """
        if images is None:
            if pixel_values is None or image_grid_thw is None or detector_pixel_values is None:
                raise ValueError("give pixel_values, image_grid_thw and detector_pixel_values, or images")
            images = self.encode_images(pixel_values, image_grid_thw, detector_pixel_values)
        if packed is None:
            conversations = (input_ids, attention_mask, block_ids)
            hidden = encode_shared(self, *conversations, images, image_index).hidden
            query_states, supervised = self.at_queries(hidden, block_ids), hidden
        else:
            hidden = self.encode_packed(packed, images)
            query_states = hidden.index_select(0, packed.query_places).unflatten(
                0, (-1, self.config.num_queries)
            )
            supervised = hidden.index_select(0, packed.text_places)
        states = query_states
        if detected is not None:
            states = states.index_select(0, detected)
            phrase_ids, phrase_mask = phrase_ids[detected], phrase_mask[detected]
            phrase_sample = phrase_sample[detected]
        features = images.detector.select(image_index[phrase_sample])
        output = self.detect(states, phrase_ids, phrase_mask, features, auxiliary, extra)
        text = self.lm_head(supervised) if text_logits else None
        return replace(output, text_logits=text, query_states=query_states, phrase_sample=phrase_sample)


AutoConfig.register(InstructSAMConfig.model_type, InstructSAMConfig)
AutoModel.register(InstructSAMConfig, InstructSAMModel)
