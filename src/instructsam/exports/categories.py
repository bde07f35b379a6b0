"""Numbers of labels: in the order in which they are first looked for, or as the caller lists them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, Field

from instructsam.errors import InputError
from instructsam.exports.labelled_image import LabelledImage
from instructsam.structures.checks import shorten
from instructsam.structures.validation import Expected


def _distinct(names: tuple[str, ...] | None) -> tuple[str, ...] | None:
    for name in names or ():
        if (names or ()).count(name) > 1:
            raise ValueError(f"expected each class once, got {shorten(name)} twice")
    return names


Classes = Annotated[
    tuple[str, ...] | None,
    Field(min_length=1),
    AfterValidator(_distinct),
    Expected("a list of at least one class name"),
]
"""Option: the class names in the order of their numbers; None numbers labels as they appear."""


class Categories:
    """Numbers the labels of a stream of images.

    Args:
        classes: all names, in order; None accepts every label.
        first: number of the first class.
    """

    def __init__(self, classes: Sequence[str] | None, first: int = 0) -> None:
        self._first = first
        self._fixed = classes is not None
        self._numbers = {name: number for number, name in enumerate(classes or (), start=first)}

    def add(self, image: LabelledImage) -> None:
        """Number the labels of an image that are new; with fixed classes only their presence is checked.

        Raises:
            InputError: an instance has a label that is not among the fixed classes.
        """
        if not self._fixed:
            for label in image.classes:
                self._numbers.setdefault(label, self._first + len(self._numbers))
            return
        for label in image.labels:
            if label not in self._numbers:
                names = ", ".join(shorten(name) for name in list(self._numbers)[:5])
                raise InputError(
                    f"{image.name}: an instance has the label {shorten(label)}, which is not among the "
                    f"{len(self._numbers)} classes ({names}, ...): add it, or map instructions to classes with labels="
                )

    def __getitem__(self, label: str) -> int:
        return self._numbers[label]

    @property
    def numbers(self) -> dict[str, int]:
        """The number of each name, in order."""
        return dict(self._numbers)
