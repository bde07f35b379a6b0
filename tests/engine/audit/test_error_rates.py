from __future__ import annotations

import numpy as np
import pytest

from instructsam.engine.audit.error_rates import ErrorRates, chance_of, error_chance, wrong_numbers
from instructsam.engine.audit.tokens import QWEN3_VL, text_tokens
from instructsam.errors import InputError


@pytest.mark.parametrize("correlation", [0.0, 0.2, 0.6])
def test_answers_err_at_the_rate_and_with_the_correlation(correlation: float) -> None:
    rng = np.random.default_rng(0)
    chances = np.array([error_chance(0.2, correlation, float(u)) for u in rng.random(20_000)])
    votes = rng.random((20_000, 2)) < chances[:, None]
    assert votes.mean() == pytest.approx(0.2, abs=0.01)
    found = np.corrcoef(votes[:, 0], votes[:, 1])[0, 1]
    assert found == pytest.approx(correlation, abs=0.03)


def test_extreme_rates_are_exact() -> None:
    assert error_chance(0.0, 0.5, 0.9) == 0.0
    assert error_chance(1.0, 0.5, 0.1) == 1.0


def test_mistakes_are_one_number_off() -> None:
    for seed in range(200):
        wrong = wrong_numbers(chance_of(seed), (2, 3), 6, [2, 3, 5])
        assert 1 <= len(set(wrong) ^ {2, 3}) <= 2
        assert not {1, 4, 6} & set(wrong), "a look-alike is there"
    assert wrong_numbers(chance_of(1), (1,), 1, [1], least=1) == (1,), "no mistake is possible"
    assert wrong_numbers(chance_of(1), (), 3, []) != ()


def test_rates_in_proportion() -> None:
    rates = ErrorRates(vote=0.2, proposal=0.3, agreement=0.1).at(0.1)
    assert (rates.vote, rates.proposal, rates.agreement) == (0.1, 0.15, 0.1)


@pytest.mark.parametrize("size", [(256, 341), (1024, 768), (100, 30), (9000, 6000), (33, 4000)])
def test_picture_tokens_are_those_of_the_model(size: tuple[int, int]) -> None:
    pytest.importorskip("torch")
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

    width, height = size
    rows, columns = smart_resize(height, width, 32, QWEN3_VL.min_pixels, QWEN3_VL.max_pixels)
    assert QWEN3_VL.tokens(width, height) == (rows // 32) * (columns // 32) + 2


def test_text_tokens() -> None:
    assert text_tokens("") == 0
    assert text_tokens("12345678") == 2


@pytest.mark.parametrize("rate", [-0.1, 1.5, float("nan")])
def test_a_share_is_at_most_one(rate: float) -> None:
    with pytest.raises(InputError, match="error rates must lie in"):
        ErrorRates().at(rate)
