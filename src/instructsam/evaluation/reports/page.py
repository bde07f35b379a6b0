"""The report as one HTML page that needs no other file: tables, intervals, plots, pictures, provenance.

Needs the extra `report`. The template escapes every value, and cuts it to one printable line.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from instructsam.evaluation.benchmarks.benchmark import Benchmark
from instructsam.evaluation.reports.curves import Curves
from instructsam.evaluation.reports.gallery import Shown, best_and_worst, draw_answers
from instructsam.evaluation.reports.plots import draw_curves, to_svg
from instructsam.evaluation.reports.report import Report
from instructsam.evaluation.reports.tables import detail_rows, plain, table_rows
from instructsam.evaluation.runs.predictions import by_id, read_predictions
from instructsam.structures.html_page import page_template


def page_of_run(report: Report, benchmark: Benchmark, predictions: Path | None) -> str:
    """The page with pictures, drawn from stored predictions; without these it has no gallery.

    Raises:
        MissingExtraError: matplotlib or jinja2 is not installed.
    """
    if predictions is None or not report.scores:
        return render_page(report)
    best, worst = best_and_worst(report.scores)
    ids = {score.id for score in (*best, *worst)}
    stored = by_id(item for item in read_predictions(predictions) if item.id in ids)
    threshold = float(report.provenance["score_threshold"])
    return render_page(report, draw_answers(benchmark, stored, [*best, *worst], threshold))


def render_page(report: Report, pictures: Mapping[str, Shown] | None = None) -> str:
    """The whole page.

    Args:
        report: with its scores, for the plots.
        pictures: drawn answers by id; None: the page has no gallery.

    Raises:
        MissingExtraError: matplotlib or jinja2 is not installed.
    """
    template = page_template("instructsam.evaluation.reports", "report.html")
    from markupsafe import Markup

    plots = draw_curves(Curves.of(report.scores)) if report.scores else []
    return template.render(
        title=f"InstructSAM on {report.benchmark}",
        notes=report.notes,
        unanswered=report.unanswered_lines(),
        scores=table_rows(report.summary),
        details=detail_rows(report.summary["overall"], report.summary.get("intervals", {})),
        plots=[
            {
                "caption": caption,
                "data": Markup(base64.b64encode(to_svg(figure, caption).encode()).decode("ascii")),
            }
            for caption, figure in plots
        ],
        galleries=_galleries(report, pictures or {}, Markup),
        facts=[["fact", "value"], *([key, plain(value)] for key, value in report.provenance.items())],
    )


def _galleries(report: Report, pictures: Mapping[str, Shown], trusted: type[str]) -> list[dict[str, Any]]:
    if not pictures:
        return []
    return [
        {
            "title": title,
            "answers": [_answer(pictures[score.id], trusted) for score in scores if score.id in pictures],
        }
        for title, scores in zip(("Best", "Worst"), best_and_worst(report.scores), strict=True)
    ]


def _answer(shown: Shown, trusted: type[str]) -> dict[str, str]:
    score = shown.score
    return {
        "instruction": shown.instruction,
        "data": trusted(shown.picture),
        "counts": f"{score.num_targets} targets, {score.num_kept} answers, set gIoU {score.set_giou:.2f}",
        "answer": shown.answer if shown.answer != shown.instruction else "",
        "id": score.id,
    }
