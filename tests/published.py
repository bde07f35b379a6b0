"""A small model in the published layout, made here: the tensors' names and config.json of the real one."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from instructsam.checkpoints.published_layout import config_to_published, published_name
from instructsam.model.instructsam import InstructSAMModel
from instructsam.processing.processor import InstructSAMProcessor
from tests.tiny import tiny_pair


def publish(
    folder: Path, seed: int = 0, dtype: torch.dtype = torch.float32
) -> tuple[InstructSAMModel, InstructSAMProcessor]:
    """Write a published-layout folder; the same model and processor in memory."""
    model, processor = tiny_pair(seed=seed, use_presence=False)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        published_name(name): value.to(dtype).contiguous() for name, value in model.state_dict().items()
    }
    tensors["model.grounding_model.model.geometry_encoder.cls_embed.weight"] = torch.ones(1, 3)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    fields = config_to_published(model.config)
    (folder / "config.json").write_text(json.dumps(fields), encoding="utf-8")
    processor.tokenizer.save_pretrained(str(folder))
    return model, processor
