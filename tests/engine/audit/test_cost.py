from __future__ import annotations

import pytest

from instructsam.engine.audit.cost import CallCost, ServerSpeed, budgets_to_text, gpu_budget, token_budget
from instructsam.errors import InputError

COST = CallCost(calls=6, input_tokens=6000, output_tokens=300)


def test_a_budget_by_tokens() -> None:
    budget = token_budget(500_000, COST, input_price=0.2, output_price=1.0)
    assert budget.calls == 3e6
    assert budget.money == pytest.approx(3000 * 0.2 + 150 * 1.0)
    assert budget.hours is None


def test_a_budget_by_gpu_hours() -> None:
    budget = gpu_budget(1000, COST, ServerSpeed(10_000, 1000, gpus=4, gpu_price=2.0))
    assert budget.gpu_hours == pytest.approx((600 + 300) / 3600)
    assert budget.hours == pytest.approx(budget.gpu_hours / 4)
    assert budget.money == pytest.approx(0.5)
    assert "GPU hours" in budgets_to_text({"a server": budget})


def test_impossible_speeds_are_refused() -> None:
    with pytest.raises(InputError, match="above 0"):
        ServerSpeed(0, 10)
