"""Training inputs that many tests draw alike, computed once: scenes of the world, texts, and the tokenizer."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from instructsam.training import start
from instructsam.world import source

_known: dict[object, Any] = {}


def _once(function: Callable[..., Any], key: Callable[..., object]) -> Callable[..., Any]:
    def cached(*arguments: Any, **named: Any) -> Any:
        place = (function.__name__, key(*arguments, **named))
        if place not in _known:
            _known[place] = function(*arguments, **named)
        return _known[place]

    return cached


@contextmanager
def cached_inputs() -> Iterator[None]:
    """Inside, equal scenes, texts and tokenizers are computed once; the functions stay the real ones."""
    texts = _once(
        lambda count, free_share=0.0: tuple(plain_texts(count, free_share=free_share)),
        lambda count, free_share=0.0: (count, free_share),
    )
    scene = _once(source.world_sample, lambda seed, index, settings: (seed, index, repr(settings)))
    tokenizer = _once(start.train_tokenizer, lambda given, size, family: (given, size, family))
    plain_texts = source.all_texts
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "all_texts", texts)
        patch.setattr(source, "world_sample", scene)
        patch.setattr(start, "train_tokenizer", lambda *given: copy.deepcopy(tokenizer(*given)))
        yield
