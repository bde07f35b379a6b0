"""Segments every instance in an image that an instruction names.

`instructsam.load()` returns a `Segmenter`; its `segment(image, instruction)` returns a `Prediction`.
`instructsam.train()` trains a model on labelled images. The names below are the whole public surface. They load on
first use, so that `import instructsam` imports neither torch nor transformers.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from instructsam.experiments.finetune import train
    from instructsam.inference.building import build
    from instructsam.inference.loading import load
    from instructsam.inference.segmenter import Segmenter
    from instructsam.labelling.stream import label
    from instructsam.structures.instances import Instances
    from instructsam.structures.predictions import Prediction

__all__ = ["Instances", "Prediction", "Segmenter", "__version__", "build", "label", "load", "train"]

__version__ = "0.1.0"

_HOMES = {
    "Instances": "instructsam.structures.instances",
    "Prediction": "instructsam.structures.predictions",
    "Segmenter": "instructsam.inference.segmenter",
    "build": "instructsam.inference.building",
    "label": "instructsam.labelling.stream",
    "load": "instructsam.inference.loading",
    "train": "instructsam.experiments.finetune",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it offers {', '.join(__all__)}")
    value: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
