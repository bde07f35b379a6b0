from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from instructsam.visualization import legend as strip
from instructsam.visualization.legend import Entry, add_strip, legend
from instructsam.visualization.lettering import Lettering
from instructsam.visualization.palette import PALETTE


def texts(rows: list[list[Entry]]) -> list[str]:
    return [" | ".join(entry.text for entry in row) for row in rows]


def test_a_legend_has_one_entry_per_phrase_and_those_found_come_first() -> None:
    ids, scores = np.array([1, 0, 1]), np.array([0.9, 0.8, 0.25], np.float32)
    entries = legend(("plate", "red mug", "fork"), ids, scores)
    assert [entry.text for entry in entries] == [
        "plate: 2 (0.80)",
        "red mug: 1 (0.90), 3 (0.25)",
        "fork: none",
    ]
    assert [entry.color for entry in entries] == list(PALETTE[:3])
    assert legend(("mug",), np.zeros(1, np.int64), np.ones(1, np.float32))[0].color is None


def test_a_crowd_is_counted_and_its_numbers_are_ranges() -> None:
    ids = np.array([0] * 5 + [1] + [0] * 5)
    entries = legend(("mug", "cup"), ids, np.linspace(0.9, 0.4, 11).astype(np.float32))
    assert [entry.text for entry in entries] == [
        "mug: 10 (0.40 to 0.90), no. 1-5, 7-11",
        "cup: 1 (0.65), no. 6",
    ]


def test_many_phrases_are_cut_with_a_count() -> None:
    lettering = Lettering(14)
    entries = [Entry(f"thing number {index}: none", PALETTE[0]) for index in range(80)]
    rows = texts(strip._flow(entries, lettering, 400))
    assert len(rows) in (12, 13)
    shown = sum(row.count("thing") for row in rows)
    assert rows[-1] == f"and {80 - shown} more phrases"


def test_an_entry_wider_than_the_picture_takes_rows_of_its_own() -> None:
    lettering = Lettering(14)
    words = "mug: " + ", ".join(f"{number} (0.50)" for number in range(1, 8))
    rows = strip._flow(
        [Entry("looked for:"), Entry(words, PALETTE[0]), Entry("cup: none", PALETTE[1])], lettering, 200
    )
    assert all(lettering.length(entry.text) <= 200 for row in rows for entry in row)
    assert [row[0].color for row in rows] == [None, PALETTE[0], *[None] * (len(rows) - 3), PALETTE[1]]
    assert " ".join(row[0].text for row in rows[1:-1]) == words
    long = strip._flow([Entry("w" * 500)], lettering, 200)
    assert len(long) == 3
    assert long[-1][0].text.endswith("...")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ["the cups", "looked for: | mug: 1 (0.50)"]),
        ({"mode": "generate"}, ["the cups", "looked for (mode: generate): | mug: 1 (0.50)"]),
        ({"instruction": "mug"}, ["looked for: | mug: 1 (0.50)"]),
        ({"note": "10 of 10 slots used"}, ["the cups", "looked for: | mug: 1 (0.50)", "10 of 10 slots used"]),
        (
            {"unnumbered": 3},
            ["the cups", "looked for: | mug: 1 (0.50)", "The picture has no room for 3 of the numbers"],
        ),
        (
            {"phrases": (), "phrase_ids": np.zeros(0, np.int64)},
            ["the cups", "looked for: | nothing, the model named no phrase", strip.NOTHING_MATCHES],
        ),
        (
            {"phrase_ids": np.zeros(0, np.int64)},
            ["the cups", "looked for: | mug: none", strip.NOTHING_MATCHES],
        ),
    ],
)
def test_the_strip_says_what_was_looked_for(
    fields: dict[str, object], expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    draw = strip._draw

    def watched(
        canvas: Image.Image, lettering: Lettering, blocks: list[tuple[list[list[Entry]], object]]
    ) -> object:
        seen.extend(line for rows, *_ in blocks for line in texts(rows))
        return draw(canvas, lettering, blocks)  # type: ignore[arg-type]

    monkeypatch.setattr(strip, "_draw", watched)
    given = {
        "instruction": "the cups",
        "phrases": ("mug",),
        "phrase_ids": np.zeros(1, np.int64),
        "scores": np.array([0.5], np.float32),
        **fields,
    }
    picture = add_strip(Image.new("RGB", (480, 100)), Lettering(13), **given)  # type: ignore[arg-type]
    assert seen == expected
    assert picture.width == 480
