"""NaN and infinite results are errors that name what they are of."""

from __future__ import annotations

import pytest
import torch

from instructsam.errors import InstructSAMError
from instructsam.structures.outputs import require_numbers


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_the_first_that_is_not_finite_is_named(value: float) -> None:
    good, bad = torch.zeros(2, 3), torch.zeros(4, dtype=torch.bfloat16)
    require_numbers({"scores": good, "boxes": None, "masks": torch.zeros(0, 3)})
    require_numbers({})
    bad[2] = value
    with pytest.raises(
        InstructSAMError, match=r"the model's mask logits are not numbers in torch\.bfloat16: load"
    ):
        require_numbers({"scores": good, "mask logits": bad, "boxes": bad})
