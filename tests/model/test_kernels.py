"""cuDNN's attention is off while a segmenter runs, and as it was afterwards."""

from __future__ import annotations

import pytest
import torch

from instructsam.inference.segmenter import Segmenter
from instructsam.model.kernels import no_cudnn_attention
from tests.tiny import picture, tiny_pair


@pytest.mark.parametrize("enabled", [True, False])
def test_the_setting_of_the_process_comes_back(enabled: bool) -> None:
    before = torch.backends.cuda.cudnn_sdp_enabled()
    try:
        torch.backends.cuda.enable_cudnn_sdp(enabled)
        with no_cudnn_attention():
            assert not torch.backends.cuda.cudnn_sdp_enabled()
        assert torch.backends.cuda.cudnn_sdp_enabled() == enabled
    finally:
        torch.backends.cuda.enable_cudnn_sdp(before)


def test_a_segmenter_runs_without_it() -> None:
    segmenter = Segmenter(*tiny_pair())
    seen: list[bool] = []
    segmenter.model.vlm.language_model.register_forward_pre_hook(
        lambda *_: seen.append(torch.backends.cuda.cudnn_sdp_enabled())
    )
    segmenter.segment(picture(), phrases=["red mug"])
    assert seen
    assert not any(seen)
