"""The tables of settings in the documentation against the code."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from instructsam.engine.settings.balance import BalanceSettings
from instructsam.engine.settings.filters import FilterSettings
from instructsam.engine.settings.write import WriteSettings

DOCS = Path(__file__).parents[2] / "docs"
WORDS = {"0: off": 0, "0: all stay": 0, "all three": ["records", "coco", "parquet"], "`RUN/export`": ""}
"""Defaults that the tables state in words."""


def _tables(page: str) -> list[tuple[list[str], list[str]]]:
    """Names of settings and their defaults, for each line of the page's tables that has both."""
    found = []
    names = defaults = -1
    for line in (DOCS / page).read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if "default" in cells:
            names = next(cells.index(head) for head in ("setting", "key") if head in cells)
            defaults = cells.index("default")
        elif not line.startswith("|"):
            names = -1
        elif names >= 0 and cells[names].startswith("`"):
            keys = [key.strip("` ").rpartition(".")[2] for key in cells[names].split(",")]
            text = cells[defaults]
            found.append((keys, [text] if len(keys) == 1 else text.split(", ")))
    return found


@pytest.mark.parametrize(
    ("page", "models"),
    [("engine_filters.md", (FilterSettings, BalanceSettings)), ("engine_data.md", (WriteSettings,))],
)
def test_documented_defaults_are_those_of_the_code(page: str, models: tuple[type[BaseModel], ...]) -> None:
    fields = {name: field for model in models for name, field in model.model_fields.items()}
    tables = _tables(page)
    assert len(tables) >= 7, "the tables have another form: correct this test"
    for keys, texts in tables:
        for key, text in zip(keys, texts if len(texts) == len(keys) else texts * len(keys), strict=True):
            if key == "scripts":  # by language: None
                continue
            stated = WORDS[text] if text in WORDS else yaml.safe_load(text.strip("`"))
            default = fields[key].default
            assert stated == (list(default) if isinstance(default, tuple) else default), key
