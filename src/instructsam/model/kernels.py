"""The attention kernels of the GPU, for inputs whose shapes change from call to call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def no_cudnn_attention() -> Iterator[None]:
    """Inside, torch does not choose cuDNN's attention; flash, memory-efficient and plain attention stay available.

    cuDNN builds an execution plan for every new shape, which takes up to a second of host time, and the shapes
    here change with every image size, instruction and generated token. No effect on a CPU.
    """
    enabled = torch.backends.cuda.cudnn_sdp_enabled()
    torch.backends.cuda.enable_cudnn_sdp(False)
    try:
        yield
    finally:
        torch.backends.cuda.enable_cudnn_sdp(enabled)
