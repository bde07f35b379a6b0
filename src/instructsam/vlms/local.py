"""A vision-language model in this process: any image-text-to-text model of transformers.

Qwen3-VL is read with our own pixels and ids, because its processor needs torchvision; other models with theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from instructsam.checkpoints.assemble import base_folder, stock_model
from instructsam.checkpoints.devices import pick_device, pick_dtype
from instructsam.checkpoints.folder import CONFIG_ERRORS, CONFIG_FILE
from instructsam.errors import CheckpointError, InputError, MissingExtraError, first_line
from instructsam.processing.processor import load_tokenizer
from instructsam.processing.tokens import IM_END, IM_START, VISION_END, VISION_START, encode_text
from instructsam.processing.vision import vlm_patches
from instructsam.structures.model_files import read_object, require_inside
from instructsam.structures.outputs import require_numbers
from instructsam.vlms.protocol import Turn, VLMReply

if TYPE_CHECKING:
    from PIL import Image

QWEN = "qwen3_vl"
PIXEL_LIMITS = (65_536, 1_310_720)  # of a picture: 64 to 1,280 tokens


@dataclass
class LocalVLM:
    """A loaded model; see `load_vlm`. `processor` is None for a Qwen3-VL, whose inputs are made here."""

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
        inputs = self._qwen(turns) if self.processor is None else self._general(turns)
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

    def _qwen(self, turns: Sequence[Turn]) -> dict[str, Any]:
        """ChatML ids and patches; special tokens inside a turn's words stay words."""
        tokenizer, vision = self.tokenizer, self.model.config.vision_config
        ids: list[int] = []
        patches, grids = [], []
        for turn in turns:
            ids += [_id(tokenizer, IM_START), *encode_text(tokenizer, f"{turn.role}\n")]
            for image in turn.images:
                pixels, grid = self._patches(image, vision)
                patches.append(pixels)
                grids.append(grid)
                count = grid[0] * grid[1] * grid[2] // vision.spatial_merge_size**2
                pads = [self.model.config.image_token_id] * count
                ids += [_id(tokenizer, VISION_START), *pads, _id(tokenizer, VISION_END)]
            ids += [*encode_text(tokenizer, turn.text), _id(tokenizer, IM_END), *encode_text(tokenizer, "\n")]
        ids += [_id(tokenizer, IM_START), *encode_text(tokenizer, "assistant\n")]
        device = self.model.device
        tokens = torch.tensor([ids], device=device)
        inputs = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}
        if patches:
            inputs |= {
                "pixel_values": torch.cat(patches).to(device, self.model.dtype),
                "image_grid_thw": torch.tensor(grids, device=device),
                "mm_token_type_ids": (tokens == self.model.config.image_token_id).int(),
            }
        return inputs

    def _patches(self, image: Image.Image, vision: Any) -> tuple[torch.Tensor, tuple[int, int, int]]:
        sizes = vision.patch_size, vision.spatial_merge_size, vision.temporal_patch_size
        return vlm_patches(image.convert("RGB"), *sizes, *self.pixel_limits)

    def _general(self, turns: Sequence[Turn]) -> dict[str, Any]:
        """What the model's own processor makes of the turns."""
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
                f"{self.name} cannot be asked in turns of words and pictures: {first_line(error)}"
            ) from error
        moved: dict[str, Any] = inputs.to(self.model.device, self.model.dtype)
        return moved


def load_vlm(name_or_path: str | Path, device: str = "auto", dtype: str = "auto") -> LocalVLM:
    """A model of transformers that reads pictures and writes text.

    Args:
        name_or_path: folder or hub id, such as "Qwen/Qwen3-VL-2B-Instruct".
        device, dtype: as in `instructsam.load`.

    Raises:
        CheckpointError: it is missing, gated, damaged, or no such model.
        MissingExtraError: its processor needs torchvision.
    """
    from transformers import AutoModelForImageTextToText

    target = pick_device(device)
    folder = base_folder(name_or_path)
    kind = _model_type(folder)
    model = (
        stock_model(AutoModelForImageTextToText, folder, pick_dtype(dtype, target), kind).to(target).eval()
    )
    if kind == QWEN:
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
            f"the processor of the model in {folder} needs torchvision: pip install torchvision, or use a Qwen3-VL"
        ) from error
    except CONFIG_ERRORS as error:
        raise CheckpointError(f"the processor in {folder} cannot be loaded: {first_line(error)}") from error
    if not hasattr(processor, "tokenizer") or not hasattr(processor, "apply_chat_template"):
        raise CheckpointError(f"{folder} holds no processor for words and pictures; give a chat model")
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
    """What a processor may raise: its own errors, and those of its template, such as that it knows no system turn."""
    usual = (ValueError, TypeError, KeyError, ImportError)
    try:
        from jinja2 import TemplateError
    except ImportError:  # then transformers says that it is missing
        return usual
    return (*usual, TemplateError)


def _require_numbers(_: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """A logits processor that refuses NaN, which would be read as some token; minus infinity only rules tokens out."""
    require_numbers({"token logits": scores.amax(-1)})
    return scores


def _id(tokenizer: Any, token: str) -> int:
    number = tokenizer.get_added_vocab().get(token)
    if number is None:
        raise CheckpointError(f"the tokenizer has no token {token}; use the one that came with the model")
    return int(number)


def _end_tokens(model: Any, tokenizer: Any) -> list[int]:
    """Ids that end a reply: the model's own and the tokenizer's."""
    own = model.generation_config.eos_token_id
    found = [] if own is None else list(own) if isinstance(own, (list, tuple)) else [own]
    if tokenizer.eos_token_id is not None:
        found.append(tokenizer.eos_token_id)
    return list(dict.fromkeys(found)) or [0]
