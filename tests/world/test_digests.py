"""The world's bytes are those that the shipped model was trained on and every score was measured on."""

from __future__ import annotations

import json

import pytest

from tests.world.digests import RECORDED, digest, parts


@pytest.mark.parametrize("name", parts(full=False))
def test_no_byte_has_changed(name: str) -> None:
    assert digest(name) == json.loads(RECORDED.read_text())[name]


def test_every_recorded_digest_is_compared() -> None:
    assert list(json.loads(RECORDED.read_text())) == list(parts(full=False))
