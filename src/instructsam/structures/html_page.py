"""Templates of HTML pages that need no other file, by jinja2.

A template escapes every value and cuts it to one printable line; `markupsafe.Markup` passes unchanged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from instructsam.errors import MissingExtraError
from instructsam.structures.safe_text import one_line

if TYPE_CHECKING:
    from jinja2 import Template


def page_template(package: str, name: str, extra: str = "report") -> Template:
    """A template from the folder `templates` of a package.

    Args:
        package: such as "instructsam.evaluation.reports".
        name: of the file.
        extra: of instructsam, which installs jinja2.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
        from markupsafe import Markup
    except ImportError as error:
        raise MissingExtraError(f"the HTML page needs jinja2: pip install 'instructsam[{extra}]'") from error
    environment = Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: value if isinstance(value, Markup) else one_line(value),
    )
    return environment.get_template(name)
