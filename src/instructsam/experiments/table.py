"""The table of an ablation: finished runs of several variants and seeds, side by side. No torch."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from instructsam.evaluation.metrics.registry import METRICS
from instructsam.structures.safe_text import for_markdown
from instructsam.structures.tables import format_rows

Numbers = Mapping[str, float | None]

_METRICS = {"giou": 3, "set_giou": 3, "ap": 3, "n_acc": 3, "duplicates_per_image": 2}  # key -> decimals
COLUMNS: tuple[tuple[str, str, int], ...] = (
    *((key, METRICS[key].heading, decimals) for key, decimals in _METRICS.items()),
    ("threshold", "threshold", 2),
    ("loss_mask_dice", "mask dice ↓", 3),
    ("loss_text", "text loss ↓", 3),
    ("loss_loss", "loss ↓", 2),
    ("instructions", "instructions", 0),
    ("minutes", "minutes", 1),
)  # key, heading, decimals
CURVES = (("mask_dice", "mask dice"), ("box_giou", "box GIoU"), ("score", "score"), ("presence", "presence"))


@dataclass(frozen=True)
class FinishedRun:
    """One trained and scored model; `numbers` by the keys of `COLUMNS`, None where nothing could be counted."""

    variant: str
    seed: int
    numbers: Numbers


@dataclass(frozen=True)
class Row:
    """One variant.

    Attributes:
        variant, about: its name, and the claim that it tests.
        seeds: of the finished runs; empty where none is.
        mean, deviation: of each number over the seeds; the sample deviation, None below two seeds.
    """

    variant: str
    about: str
    seeds: tuple[int, ...]
    mean: Numbers
    deviation: Numbers


def gather(variants: Sequence[tuple[str, str]], runs: Sequence[FinishedRun]) -> list[Row]:
    """One row per variant (name, about), in their order."""
    rows = []
    for name, about in variants:
        mine = sorted((run for run in runs if run.variant == name), key=lambda run: run.seed)
        mean: dict[str, float | None] = {}
        deviation: dict[str, float | None] = {}
        for key, _, _ in COLUMNS:
            values = [value for run in mine if (value := run.numbers.get(key)) is not None]
            mean[key] = statistics.fmean(values) if values else None
            deviation[key] = statistics.stdev(values) if len(values) > 1 else None
        rows.append(Row(name, about, tuple(run.seed for run in mine), mean, deviation))
    return rows


def to_markdown(title: str, rows: Sequence[Row], facts: Mapping[str, Any]) -> str:
    """Title, facts, and the table: mean, and ± the sample deviation from two seeds on."""
    table = [["variant", "seeds", *(heading for _, heading, _ in COLUMNS)]]
    for row in rows:
        cells = [_cell(row.mean.get(key), row.deviation.get(key), decimals) for key, _, decimals in COLUMNS]
        table.append([row.variant, str(len(row.seeds)), *cells])
    tested = [f"- {for_markdown(row.variant)}: {for_markdown(row.about)}" for row in rows if row.about]
    provenance = [f"- {for_markdown(key)}: {for_markdown(value)}" for key, value in facts.items()]
    head = f"## {for_markdown(title)}"
    parts = [head, format_rows(table, for_markdown), "\n".join(tested), "\n".join(provenance)]
    return "\n\n".join(part for part in parts if part) + "\n"


def curves_to_markdown(curves: Mapping[str, Sequence[Numbers]]) -> str:
    """How each variant's losses fell: the mean of each quarter of the first seed's run.

    Args:
        curves: variant -> its mean losses in each quarter, by the names of the log; a loss may be missing.
    """
    if not curves:
        return ""
    table = [["variant", *(heading for _, heading in CURVES)]]
    for variant, points in curves.items():
        cells = []
        for key, _ in CURVES:
            values = [point.get(key) for point in points]
            cells.append(", ".join("-" if value is None else f"{value:.2f}" for value in values))
        table.append([variant, *cells])
    return "\nLosses in each quarter of the steps, first seed:\n\n" + format_rows(table, for_markdown) + "\n"


def to_dict(title: str, rows: Sequence[Row], runs: Sequence[FinishedRun], facts: Mapping[str, Any]) -> Any:
    """The same, ready for JSON, with every run."""
    return {
        "name": title,
        "facts": dict(facts),
        "rows": [
            {
                "variant": row.variant,
                "about": row.about,
                "seeds": list(row.seeds),
                "mean": dict(row.mean),
                "deviation": dict(row.deviation),
            }
            for row in rows
        ],
        "runs": [{"variant": run.variant, "seed": run.seed, **run.numbers} for run in runs],
    }


def _cell(mean: float | None, deviation: float | None, decimals: int) -> str:
    if mean is None:
        return "-"
    shown = f"{mean:.{decimals}f}"
    return shown if not deviation else f"{shown} ± {deviation:.{decimals}f}"
