"""InstructSAM: a vision-language model carries instance queries, and they drive a detector.

Source: InstructSAM, arXiv 2605.26102; the exact specification is recorded in docs/model.md.

Shapes: B samples (instructions), I images, L tokens, P phrases of the whole batch, Q queries per phrase, D VLM
width, C detector width, T phrase tokens (at most 32), V vocabulary, h w mask size.

The whole method, top to bottom: `forward` embeds the conversation, writes the instance queries over the query
blocks, runs the VLM once under hybrid attention, projects the hidden states of the blocks, and lets the detector
turn them into masks, boxes and scores.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, DynamicCache, PreTrainedModel, Qwen3VLModel

from instructsam.model.attention import hybrid_mask, require_hybrid_support
from instructsam.model.configuration import InstructSAMConfig
from instructsam.model.detector.base import Detector, DetectorFeatures, ExtraQueries
from instructsam.model.detector.registry import detector_class
from instructsam.model.features import ImageFeatures
from instructsam.model.projector import make_projector
from instructsam.model.queries import InstanceQueries, write_queries
from instructsam.model.shared_prefix import encode_shared
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
    _no_split_modules: ClassVar[Any] = ["Qwen3VLTextDecoderLayer", "Qwen3VLVisionBlock"]
    _tied_weights_keys: ClassVar[Any] = {"lm_head.weight": "vlm.language_model.embed_tokens.weight"}

    def __init__(self, config: InstructSAMConfig) -> None:
        require_hybrid_support(config._attn_implementation)
        super().__init__(config)
        width, detector_width = config.hidden_size, config.detector_size
        self.vlm = Qwen3VLModel(config.vlm_config)
        self.lm_head = nn.Linear(width, config.vlm_config.text_config.vocab_size, bias=False)
        self.instance_queries = InstanceQueries(config.num_queries, width, config.slot_boxes)
        self.query_projector = make_projector(width, detector_width, config.projectors)
        self.phrase_projector = make_projector(width, detector_width, config.projectors)
        detector = detector_class(config.detector_config.model_type)
        self.detector: Detector = detector(config.detector_config, config.use_presence)
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
        return self.vlm.language_model.embed_tokens

    def set_input_embeddings(self, value: Any) -> None:
        self.vlm.language_model.embed_tokens = value

    def get_output_embeddings(self) -> Any:
        return self.lm_head

    def set_output_embeddings(self, new_embeddings: Any) -> None:
        self.lm_head = new_embeddings

    def encode_images(
        self, pixel_values: Tensor, image_grid_thw: Tensor, detector_pixel_values: Tensor
    ) -> ImageFeatures:
        """Run both vision towers, once per image.

        Args:
            pixel_values: float [patches of all images, C * temporal * patch * patch].
            image_grid_thw: int64 [I, 3].
            detector_pixel_values: float [I, 3, S, S].
        """
        vision = self.vlm.get_image_features(pixel_values.to(self.dtype), image_grid_thw, return_dict=True)
        tokens = [len(embeds) for embeds in vision.pooler_output]
        deepstack = tuple(
            tuple(layer.split(tokens)) if isinstance(layer, Tensor) else tuple(layer)
            for layer in vision.deepstack_features
        )
        detector = self.detector.encode(detector_pixel_values.to(self.dtype))
        return ImageFeatures(tuple(vision.pooler_output), deepstack, image_grid_thw, detector)

    def embed(
        self,
        input_ids: Tensor,
        block_ids: Tensor,
        images: ImageFeatures | None = None,
        image_index: Tensor | None = None,
    ) -> Tensor:
        """Token embeddings with the images and the instance queries written in: float [B, L, D]."""
        embeds: Tensor = self.get_input_embeddings()(input_ids)
        if images is not None and image_index is not None:
            rows = torch.cat([images.embeds[i] for i in image_index.tolist()])
            is_image = input_ids == self.image_token_id
            embeds = embeds.masked_scatter(is_image.unsqueeze(-1), rows.to(embeds.dtype))
        return write_queries(self.query_bank(), embeds, block_ids)

    def query_bank(self) -> Tensor:
        """What every query block starts as: float [Q, D]."""
        bank: Tensor = self.instance_queries(self.detector.slot_boxes() if self.config.slot_boxes else None)
        return bank

    def positions(self, input_ids: Tensor, attention_mask: Tensor, grid_thw: Tensor) -> Tensor:
        """M-RoPE positions of whole sequences, query blocks included: int64 [3, B, L]."""
        is_image = (input_ids == self.image_token_id).int()
        position_ids, _ = self.vlm.get_rope_index(
            input_ids, mm_token_type_ids=is_image, image_grid_thw=grid_thw, attention_mask=attention_mask
        )
        return position_ids  # type: ignore[no-any-return]

    def encode(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        block_ids: Tensor,
        positions: Tensor,
        images: ImageFeatures | None = None,
        image_index: Tensor | None = None,
        cache: DynamicCache | None = None,
        visible_blocks: Tensor | None = None,
    ) -> Tensor:
        """The VLM under hybrid attention: final-norm hidden states, float [B, L, D].

        Args:
            input_ids, block_ids: int64 [B, L] of this step, -1 in `block_ids` outside query blocks.
            attention_mask: int64 [B, cached + L], 0 at padding.
            positions: int64 [A, B, L], from `positions()`.
            images, image_index: the call's images and each row's; None for a step without image tokens.
            cache: keys and values of earlier steps; holds this step afterwards.
            visible_blocks: int64 [B, L], the tokens that attend to each other both ways; default: `block_ids`.
        """
        embeds = self.embed(input_ids, block_ids, images, image_index)
        language_model = self.vlm.language_model
        blocks = block_ids if visible_blocks is None else visible_blocks
        deepstack = None
        if images is not None and image_index is not None:
            rows = image_index.tolist()
            deepstack = [
                torch.cat([layer[i] for i in rows]).to(embeds.dtype) for layer in images.deepstack
            ] or None
        output = language_model(
            inputs_embeds=embeds,
            attention_mask=hybrid_mask(
                language_model.config, embeds, attention_mask, blocks, cache, self.config.query_attention
            ),
            position_ids=positions,
            visual_pos_masks=None if images is None else input_ids == self.image_token_id,
            deepstack_visual_embeds=deepstack,
            past_key_values=cache,
            use_cache=cache is not None,
        )
        hidden: Tensor = output.last_hidden_state
        return hidden

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
    ) -> SegmentationOutput:
        """One pass over finished conversations; arguments as in `ModelInputs`.

        Give either the three pixel arguments or `images`, already encoded.

        Returns:
            mask_logits [P, Q, h, w], score_logits [P, Q], boxes_cxcywh [P, Q, 4], query_states [P, Q, D],
            semantic_logits [P, h, w]; presence_logits [P] where the model has the token; with `text_logits`
            text_logits [B, L, V]; with `auxiliary` the earlier decoder layers. `labels` belong to the criterion.
            With `detected`, int64 [P'], the detector answers only these phrases, and P' stands for P in all but
            query_states. `extra` queries of training are answered beside the others, in `output.extra`.
        """
        if images is None:
            if pixel_values is None or image_grid_thw is None or detector_pixel_values is None:
                raise ValueError("give pixel_values, image_grid_thw and detector_pixel_values, or images")
            images = self.encode_images(pixel_values, image_grid_thw, detector_pixel_values)
        hidden = encode_shared(self, input_ids, attention_mask, block_ids, images, image_index).hidden
        query_states = self.at_queries(hidden, block_ids)
        states = query_states
        if detected is not None:
            states, phrase_ids, phrase_mask = states[detected], phrase_ids[detected], phrase_mask[detected]
            phrase_sample = phrase_sample[detected]
        features = images.detector.select(image_index[phrase_sample])
        output = self.detect(states, phrase_ids, phrase_mask, features, auxiliary, extra)
        return SegmentationOutput(
            mask_logits=output.mask_logits,
            score_logits=output.score_logits,
            boxes_cxcywh=output.boxes_cxcywh,
            presence_logits=output.presence_logits,
            semantic_logits=output.semantic_logits,
            auxiliary=output.auxiliary,
            extra=output.extra,
            text_logits=self.lm_head(hidden) if text_logits else None,
            query_states=query_states,
            phrase_sample=phrase_sample,
        )


AutoConfig.register(InstructSAMConfig.model_type, InstructSAMConfig)
AutoModel.register(InstructSAMConfig, InstructSAMModel)
