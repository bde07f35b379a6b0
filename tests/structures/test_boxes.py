from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from instructsam.errors import InputError
from instructsam.structures.boxes import cxcywh_to_xyxy, xywh_to_xyxy, xyxy_to_cxcywh, xyxy_to_xywh

XYXY = [[[2.0, 3.0, 8.0, 4.0], [0.0, 0.0, 0.0, 0.0]]]
XYWH = [[[2.0, 3.0, 6.0, 1.0], [0.0, 0.0, 0.0, 0.0]]]
CXCYWH = [[[5.0, 3.5, 6.0, 1.0], [0.0, 0.0, 0.0, 0.0]]]
CASES = [
    (xyxy_to_xywh, XYXY, XYWH),
    (xywh_to_xyxy, XYWH, XYXY),
    (cxcywh_to_xyxy, CXCYWH, XYXY),
    (xyxy_to_cxcywh, XYXY, CXCYWH),
]


@pytest.mark.parametrize(("convert", "given", "expected"), CASES)
def test_numpy(convert: Callable[[Any], Any], given: Any, expected: Any) -> None:
    source = np.array(given, dtype=np.float32)
    result = convert(source)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, expected)
    np.testing.assert_array_equal(source, given)


@pytest.mark.parametrize(("convert", "given", "expected"), CASES)
def test_torch_keeps_gradients_and_its_input(
    convert: Callable[[Any], Any], given: Any, expected: Any
) -> None:
    import torch

    source = torch.tensor(given, requires_grad=True)
    result = convert(source)
    assert torch.equal(result, torch.tensor(expected))
    assert torch.equal(source, torch.tensor(given))
    result.square().sum().backward()
    assert source.grad is not None
    assert source.grad[0, 0].abs().min() > 0


def test_integers_get_halves_where_needed() -> None:
    boxes = np.array([[0, 0, 3, 5]])
    assert xyxy_to_cxcywh(boxes).tolist() == [[1.5, 2.5, 3, 5]]
    assert cxcywh_to_xyxy(boxes).tolist() == [[-1.5, -2.5, 1.5, 2.5]]
    assert xyxy_to_xywh(boxes).dtype == boxes.dtype


def test_other_shapes_are_refused() -> None:
    with pytest.raises(InputError, match=r"\(\.\.\., 4\), got ndarray of shape \(4, 2\)"):
        xyxy_to_xywh(np.zeros((4, 2)))
    with pytest.raises(InputError, match="got list"):
        xyxy_to_xywh([1, 2, 3, 4])


def test_neither_torch_nor_transformers_is_imported() -> None:
    code = (
        "import sys, instructsam.structures.instances, instructsam.evaluation.metrics.table, "
        "instructsam.evaluation.reports.report; "
        "assert not {'torch', 'transformers', 'matplotlib', 'jinja2'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
