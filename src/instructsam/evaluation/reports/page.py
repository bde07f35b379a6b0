"""The report as one HTML page that needs no other file: tables, intervals, plots, pictures, provenance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from instructsam.evaluation.benchmarks.benchmark import Benchmark
from instructsam.evaluation.reports.gallery import Shown, best_and_worst, draw_answers
from instructsam.evaluation.reports.plots import Curves
from instructsam.evaluation.reports.report import Report
from instructsam.evaluation.reports.tables import detail_rows, plain, table_rows
from instructsam.evaluation.runs.predictions import by_id, read_predictions
from instructsam.structures.safe_text import for_html

_STYLE = """
:root { color-scheme: light dark }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 1120px; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; display: block; overflow-x: auto }
th, td { padding: .2rem .6rem; text-align: right; border-bottom: 1px solid #8884; font-variant-numeric: tabular-nums }
th:first-child, td:first-child { text-align: left }
.facts td { text-align: left; overflow-wrap: anywhere }
.row { display: flex; flex-wrap: wrap; gap: 1rem }
figure { margin: 0; flex: 1 1 300px; max-width: 490px }
figcaption { font-size: 13px }
img, svg { max-width: 100%; height: auto }
code { overflow-wrap: anywhere }
"""


def render_page(report: Report, pictures: Mapping[str, Shown] | None = None) -> str:
    """The whole page.

    Args:
        report: with its scores, for the plots.
        pictures: drawn answers by id; None: the page has no gallery.
    """
    title = for_html(f"InstructSAM on {report.benchmark}")
    curves = Curves.of(report.scores)
    figures = [_figure(svg, for_html(caption)) for caption, svg in curves.svg()] if report.scores else []
    parts = [
        f"<h1>{title}</h1>",
        *(f"<p>Note: {for_html(note)}</p>" for note in report.notes),
        *(f"<p>{for_html(line)}</p>" for line in report.unanswered_lines()),
        "<h2>Scores</h2>",
        _table(table_rows(report.summary)),
        "<h2>All scores, with 95% intervals</h2>",
        _table(detail_rows(report.summary["overall"], report.summary.get("intervals", {}))),
        "<h2>Curves and histograms</h2>" if figures else "",
        f'<div class="row">{"".join(figures)}</div>',
        *_gallery(report, pictures or {}),
        "<h2>Where this comes from</h2>",
        _table([["fact", ""], *([key, plain(value)] for key, value in report.provenance.items())], "facts"),
    ]
    body = "\n".join(part for part in parts if part)
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
    head += f"<style>{_STYLE}</style>"
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>\n'


def page_of_run(report: Report, benchmark: Benchmark, predictions: Path | None) -> str:
    """The page with pictures, drawn from stored predictions; without these it has no gallery."""
    if predictions is None or not report.scores:
        return render_page(report)
    best, worst = best_and_worst(report.scores)
    ids = {score.id for score in (*best, *worst)}
    stored = by_id(item for item in read_predictions(predictions) if item.id in ids)
    threshold = float(report.provenance["score_threshold"])
    return render_page(report, draw_answers(benchmark, stored, [*best, *worst], threshold))


def _gallery(report: Report, pictures: Mapping[str, Shown]) -> list[str]:
    if not pictures:
        return []
    parts = [
        "<p>Left: the targets. Right: the answer, at the score threshold of this run. "
        "The instances shown keep their colours, the rest is greyed.</p>"
    ]
    for title, scores in zip(("Best", "Worst"), best_and_worst(report.scores), strict=True):
        shown = [pictures[score.id] for score in scores if score.id in pictures]
        figures = [_figure(_image(one), _caption(one)) for one in shown]
        parts += [f"<h2>{title} answers</h2>", f'<div class="row">{"".join(figures)}</div>']
    return parts


def _image(one: Shown) -> str:
    return (
        f'<img loading="lazy" alt="{for_html(one.instruction)}" src="data:image/jpeg;base64,{one.picture}">'
    )


def _caption(one: Shown) -> str:
    counts = (
        f"{one.score.num_targets} meant, {one.score.num_kept} answered, set gIoU {one.score.set_giou:.2f}"
    )
    wrote = f" wrote: {for_html(one.answer)}." if one.answer and one.answer != one.instruction else ""
    return f"<b>{for_html(one.instruction)}</b><br>{counts}.{wrote} <code>{for_html(one.score.id)}</code>"


def _figure(content: str, caption: str) -> str:
    return f"<figure>{content}<figcaption>{caption}</figcaption></figure>"


def _table(rows: Sequence[Sequence[str]], kind: str = "scores") -> str:
    head = "".join(f"<th>{for_html(cell)}</th>" for cell in rows[0])
    body = "".join(
        "<tr>" + "".join(f"<td>{for_html(cell)}</td>" for cell in row) + "</tr>" for row in rows[1:]
    )
    return f'<table class="{kind}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
