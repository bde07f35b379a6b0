"""A vision-language model in this process: any image-text-to-text model of transformers.

Families of `model.vlm.registry` get pixels and ids from there, because their processors need torchvision; other models
use their own processor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from instructsam.checkpoints.devices import pick_device, pick_dtype
from instructsam.checkpoints.folder import CONFIG_ERRORS, CONFIG_FILE
from instructsam.checkpoints.stock import base_folder, load_stock
from instructsam.errors import CheckpointError, InputError, MissingExtraError, first_line
from instructsam.model.vlm.base import VLM
from instructsam.model.vlm.registry import VLMS
from instructsam.processing.tokenizer_files import load_tokenizer
from instructsam.processing.tokens import encode_pieces, encode_text, special_ids
from instructsam.structures.model_files import read_object, require_inside
from instructsam.structures.outputs import require_numbers
from instructsam.vlms.protocol import Turn, VLMReply

PIXEL_LIMITS = (65_536, 1_310_720)  # of an image: 64 to 1,280 tokens


@dataclass
class LocalVLM:
    """A loaded model; see `load_vlm`. `processor` is None for a family of `model.vlm.registry`."""

    name: str
    model: Any
    tokenizer: Any
    processor: Any = None
    pixel_limits: tuple[int, int] = PIXEL_LIMITS

    @torch.inference_mode()
    def reply(self, turns: Sequence[Turn], max_new_tokens: int) -> VLMReply:
        """The next turn of the assistant, decoded greedily.

        Raises:
            InputError: the model's template takes no such turns.
            InstructSAMError: its logits are NaN or infinite.
        """
        family = VLMS.get(self.model.config.model_type) if self.processor is None else None
        inputs = self._general(turns) if family is None else self._own_inputs(family, turns)
        length = inputs["input_ids"].shape[1]
        end = _end_tokens(self.model, self.tokenizer)
        written = self.model.generate(
            **inputs,
            max_new_tokens=max_new_tokens,
            do_sample=False,
            eos_token_id=end,
            pad_token_id=end[0],
            logits_processor=[_require_numbers],
        )[0, length:].tolist()
        cut = len(written) >= max_new_tokens and written[-1] not in end
        return VLMReply(self.tokenizer.decode(written, skip_special_tokens=True).strip(), cut)

    def _own_inputs(self, family: type[VLM], turns: Sequence[Turn]) -> dict[str, Any]:
        """Ids and patches of a family in the registry; special tokens inside a turn's text stay text."""
        config, device = self.model.config, self.model.device
        special = special_ids(self.tokenizer, (*family.tokens.values(), *family.extra_tokens))
        pieces = partial(encode_pieces, self.tokenizer, special)
        rules = family.pixel_rules(config, *self.pixel_limits)
        ids = pieces(family.chat.begin)
        patches, grids = [], []
        for turn in turns:
            ids += pieces(family.chat.roles[turn.role])
            for image in turn.images:
                pixels, grid = family.patches(image.convert("RGB"), rules)
                patches.append(pixels)
                grids.append(grid)
                ids += pieces(family.image_layout(grid, rules))
            ids += [*encode_text(self.tokenizer, turn.text), *pieces(family.chat.end)]
        ids += pieces(family.chat.roles["assistant"])
        tokens = torch.tensor([ids], device=device)
        inputs = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}
        if patches:
            pixel_values = torch.cat(patches).to(device, self.model.dtype)
            is_image = tokens == config.image_token_id
            inputs |= family.stock_inputs(pixel_values, torch.tensor(grids, device=device), is_image)
        return inputs

    def _general(self, turns: Sequence[Turn]) -> dict[str, Any]:
        """Inputs from the model's own processor."""
        messages = []
        for turn in turns:
            parts: list[dict[str, Any]] = [{"type": "image", "image": image} for image in turn.images]
            messages.append({"role": turn.role, "content": [*parts, {"type": "text", "text": turn.text}]})
        try:
            inputs = self.processor.apply_chat_template(
                messages, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
            )
        except _template_errors() as error:
            raise InputError(
                f"{self.name} takes no conversation of text and images: {first_line(error)}"
            ) from error
        moved: dict[str, Any] = inputs.to(self.model.device, self.model.dtype)
        return moved


def load_vlm(name_or_path: str | Path, device: str = "auto", dtype: str = "auto") -> LocalVLM:
    """A model of transformers that takes images and writes text.

    Args:
        name_or_path: folder or hub id, such as "Qwen/Qwen3-VL-2B-Instruct".
        device, dtype: as in `instructsam.load`.

    Raises:
        CheckpointError: it is missing, gated, damaged, or of another kind.
        MissingExtraError: its processor needs torchvision.
    """
    from transformers import AutoModelForImageTextToText

    target = pick_device(device)
    folder = base_folder(name_or_path)
    kind = _model_type(folder)
    model = load_stock(AutoModelForImageTextToText, folder, pick_dtype(dtype, target), kind).to(target).eval()
    if kind in VLMS:
        return LocalVLM(str(name_or_path), model, load_tokenizer(folder))
    processor = _processor(folder)
    return LocalVLM(str(name_or_path), model, processor.tokenizer, processor)


def _processor(folder: Path) -> Any:
    from transformers import AutoProcessor

    try:
        require_inside(folder)
        processor = AutoProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except ImportError as error:
        raise MissingExtraError(
            f"the processor of the model in {folder} needs torchvision: pip install torchvision, or use a model "
            f"of type {' or '.join(VLMS)}"
        ) from error
    except CONFIG_ERRORS as error:
        raise CheckpointError(f"the processor in {folder} cannot be loaded: {first_line(error)}") from error
    if not hasattr(processor, "tokenizer") or not hasattr(processor, "apply_chat_template"):
        raise CheckpointError(f"{folder} holds no processor for text and images; give a chat model")
    return processor


def _model_type(folder: Path) -> str:
    path = folder / CONFIG_FILE
    kind = read_object(path).get("model_type") if path.is_file() else None
    if not isinstance(kind, str):
        raise CheckpointError(
            f"{folder} holds no model (no readable config.json with a model_type); give a model of transformers"
        )
    return kind


def _template_errors() -> tuple[type[Exception], ...]:
    """Errors of a processor and of its template, such as an unknown system turn."""
    usual = (ValueError, TypeError, KeyError, ImportError)
    try:
        from jinja2 import TemplateError
    except ImportError:  # transformers reports it
        return usual
    return (*usual, TemplateError)


def _require_numbers(_: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """A logits processor that refuses NaN, which argmax takes for a token; minus infinity only rules tokens out."""
    require_numbers({"token logits": scores.amax(-1)})
    return scores


def _end_tokens(model: Any, tokenizer: Any) -> list[int]:
    """Ids that end a reply: the model's own and the tokenizer's."""
    own = model.generation_config.eos_token_id
    found = [] if own is None else list(own) if isinstance(own, (list, tuple)) else [own]
    if tokenizer.eos_token_id is not None:
        found.append(tokenizer.eos_token_id)
    return list(dict.fromkeys(found)) or [0]
