"""The result of a data check as one HTML page that needs no other file and no script.

Needs the extra `report`. The template escapes every value, and cuts it to one printable line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from instructsam.errors import MissingExtraError
from instructsam.experiments.data_check.report import DataReport
from instructsam.structures.safe_text import one_line

if TYPE_CHECKING:
    from jinja2 import Template


def page_template() -> Template:
    """The template of the page, so that a missing package is noticed before a long check.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
        from markupsafe import Markup
    except ImportError as error:
        raise MissingExtraError("the HTML page needs jinja2: pip install 'instructsam[report]'") from error
    environment = Environment(
        loader=PackageLoader("instructsam.experiments.data_check"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: value if isinstance(value, Markup) else one_line(value),
    )
    return environment.get_template("data_check.html")


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
