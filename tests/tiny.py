"""A tiny model with random weights, built like every model of ours: for tests of behaviour, not of accuracy."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from PIL import Image

from instructsam.model.features import ImageFeatures
from instructsam.model.initialization import build_model
from instructsam.model.instructsam import InstructSAMModel
from instructsam.model.presets import get_preset, preset_config
from instructsam.model.vlm.registry import DEFAULT, VLMS
from instructsam.processing.processor import InstructSAMProcessor
from instructsam.processing.settings import ProcessorSettings
from instructsam.processing.tokens import TokenIds, train_tokenizer
from instructsam.structures.outputs import ModelInputs
from instructsam.structures.predictions import Prediction

TEXTS = ("segment the red mugs", "the leftmost blue car", "everything but the kite", "what can fly?")


@cache
def tiny_tokenizer(vlm: str = DEFAULT) -> Any:
    return train_tokenizer(TEXTS * 4, vocab_size=400, vlm=VLMS[vlm])


def tiny_pair(seed: int = 0, **overrides: Any) -> tuple[InstructSAMModel, InstructSAMProcessor]:
    """A new tiny model in eval mode, without gradients, and its processor; `overrides` of the size preset."""
    vlm = overrides.get("vlm", DEFAULT)
    tokenizer = tiny_tokenizer(vlm)
    token_ids = TokenIds.from_tokenizer(tokenizer, VLMS[vlm]).as_dict()
    config = preset_config(get_preset("tiny", overrides), len(tokenizer), token_ids)
    torch.manual_seed(seed)
    model = build_model(config).eval()
    with torch.no_grad():  # away from the near-identical start, so that differences show
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return model, InstructSAMProcessor(tokenizer, ProcessorSettings.from_config(config))


def picture(seed: int = 0, width: int = 80, height: int = 64) -> Image.Image:
    """A colourful picture that differs everywhere."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randint(0, 256, (8, 10, 3), generator=generator, dtype=torch.uint8)
    return Image.fromarray(coarse.numpy()).resize((width, height), Image.Resampling.BICUBIC)


def same(one: Prediction, other: Prediction) -> None:
    """Two answers agree, but for the rounding of another batch."""
    assert one.phrases == other.phrases
    assert one.status == other.status
    assert np.array_equal(one.instances.phrase_ids, other.instances.phrase_ids)
    assert np.allclose(one.instances.scores, other.instances.scores, atol=1e-5)
    assert (one.instances.masks != other.instances.masks).sum() <= 1e-3 * one.instances.masks.size


def encode_images(model: InstructSAMModel, inputs: ModelInputs) -> ImageFeatures:
    """Features of all images of `inputs`."""
    return model.encode_images(inputs.pixel_values, inputs.image_grid_thw, inputs.detector_pixel_values)
