from __future__ import annotations

import pytest

from instructsam.inference.segmenter import Segmenter
from tests.tiny import tiny_pair


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter(*tiny_pair())
