"""The published 2B architecture with random weights answers one picture, end to end, on this machine."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from instructsam.checkpoints.published_layout import config_from_published
from instructsam.checkpoints.published_sizes import PUBLISHED_2B
from instructsam.inference.segmenter import Segmenter
from instructsam.model.instructsam import InstructSAMModel
from instructsam.processing.processor import InstructSAMProcessor
from instructsam.processing.settings import ProcessorSettings
from tests.tiny import picture, tiny_tokenizer


def full_size(dtype: torch.dtype) -> Segmenter:
    """Random weights; our small tokenizer stands in for Qwen's, which is not here."""
    config = config_from_published(PUBLISHED_2B)
    processor = InstructSAMProcessor(tiny_tokenizer(), ProcessorSettings.from_config(config))
    config.token_ids = processor.token_ids.as_dict()
    config.vlm_config.image_token_id = processor.token_ids.image
    config.vlm_config.vision_start_token_id = processor.token_ids.vision_start
    torch.manual_seed(0)
    return Segmenter(InstructSAMModel._from_config(config, dtype=dtype), processor)


def check(segmenter: Segmenter) -> None:
    image = picture(width=640, height=480)
    given = segmenter.segment(image, phrases=["red mug"], score_threshold=0.0)
    assert given.instances.masks.shape[1:] == (480, 640)
    assert len(given.instances) > 0
    assert np.isfinite(given.instances.scores).all()
    written = segmenter.segment(image, "the red mugs", mode="generate", max_new_tokens=3)
    assert written.status in ("truncated", "no_target", "ok", "saturated")


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_on_the_cpu_in_float32() -> None:
    check(full_size(torch.float32))


@pytest.mark.gpu
def test_on_a_gpu_in_bfloat16() -> None:
    segmenter = full_size(torch.bfloat16)
    segmenter.model.to("cuda")
    check(segmenter)
