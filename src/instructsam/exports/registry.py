"""The formats that predictions can be exported to: the other modules of this package, but for codes of masks."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from instructsam.errors import InputError

_OTHER_MODULES = (
    "geokeys",
    "georeference",
    "label_studio_interface",
    "label_studio_regions",
    "label_studio_rle",
    "labelled_image",
    "protocol",
    "registry",
)


def export_formats() -> tuple[str, ...]:
    """The names of the formats, sorted."""
    names = (module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
    return tuple(sorted(name for name in names if name not in _OTHER_MODULES))


def exporter(name: object) -> Callable[..., Any]:
    """The function `export(instances, phrases, **options)` of a format.

    Raises:
        InputError: there is no such format.
    """
    if name not in export_formats():
        raise InputError(f"the format must be one of {', '.join(export_formats())}, got {name!r:.60}")
    export: Callable[..., Any] = importlib.import_module(f"instructsam.exports.{name}").export
    return export
