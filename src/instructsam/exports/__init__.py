"""Predictions in the formats of other tools: `export(predictions, format, path)`.

- `export_call`: `export` and `export_all`, the two entry points; `grouping`: predictions -> images with labels.
- `registry`: the table of formats. A format is one module, see `registry.Exporter` for what it defines.
- `writer`, `options`, `names`: what modules of formats are made of; `labelled_image`: what they receive.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from instructsam.exports.export_call import ExportReport, export, export_all
    from instructsam.exports.labelled_image import LabelledImage
    from instructsam.exports.registry import FORMATS

__all__ = ["FORMATS", "ExportReport", "LabelledImage", "export", "export_all"]

_HOMES = {
    "FORMATS": "instructsam.exports.registry",
    "ExportReport": "instructsam.exports.export_call",
    "LabelledImage": "instructsam.exports.labelled_image",
    "export": "instructsam.exports.export_call",
    "export_all": "instructsam.exports.export_call",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it offers {', '.join(__all__)}")
    return getattr(import_module(_HOMES[name]), name)
