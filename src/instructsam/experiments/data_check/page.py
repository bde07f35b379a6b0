"""The result of a data check as one HTML page that needs no other file and no script.

Needs the extra `report`. The template escapes every value, and cuts it to one printable line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from instructsam.experiments.data_check.report import DataReport
from instructsam.structures.html_page import page_template

if TYPE_CHECKING:
    from jinja2 import Template


def check_template() -> Template:
    """The template of the page, so that a missing package is noticed before a long check.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    return page_template("instructsam.experiments.data_check", "data_check.html")


def render_page(report: DataReport, template: Template) -> str:
    """The whole page."""
    from markupsafe import Markup

    stats = report.statistics
    charts = {
        "Targets per instruction": stats.target_bins,
        "Longer side of the images": stats.size_bins,
        "Most frequent categories": dict(stats.top_categories),
        "Rarest categories": dict(stats.rare_categories),
    }
    return template.render(
        report=report,
        left_out=[
            (reason, count, report.census.examples.get(reason, ""))
            for reason, count in report.census.left_out.items()
        ],
        problems=list(report.problems()),
        charts={title: _bars(counts) for title, counts in charts.items() if counts},
        jpegs=[Markup(picture.jpeg) for picture in report.pictures],
    )


def _bars(counts: dict[str, int]) -> list[tuple[str, int, str]]:
    """Name, number and length of each bar, in % of the longest."""
    longest = max(1, *counts.values())
    return [(name, count, f"{100 * count / longest:.1f}") for name, count in counts.items()]
