"""Predictions -> one `LabelledImage` per image, as a stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from instructsam.errors import InputError
from instructsam.exports.labelled_image import LabelledImage
from instructsam.exports.names import UniqueNames
from instructsam.structures.checks import describe
from instructsam.structures.predictions import Prediction


def labelled_images(
    predictions: Iterable[Prediction | LabelledImage],
    labels: str | Mapping[str, str] = "phrases",
    root: Path | None = None,
) -> Iterator[LabelledImage]:
    """Consecutive predictions about one image become one labelled image; memory is that of one image.

    Predictions are about one image when they have the same `image_path` or, without one, the same `image` object.
    Names are the paths relative to `root` (see `names.UniqueNames`); images in memory are numbered.

    Args:
        predictions: any iterable; labelled images in it are passed on.
        labels: see `LabelledImage.merge`.
        root: folder that names are relative to.

    Raises:
        InputError: an item is neither, or `labels` is unknown.
    """
    names = UniqueNames()
    group: list[Prediction] = []

    def merged() -> LabelledImage:
        given = group[0].image_path
        path = None if given is None else Path(given)
        return LabelledImage.merge(tuple(group), names.name(given, root), path, labels)

    for index, item in enumerate(predictions):
        if not isinstance(item, Prediction | LabelledImage):
            raise InputError(f"predictions[{index}] must be a Prediction, got {describe(item)}")
        if group and not (isinstance(item, Prediction) and _same_image(group[0], item)):
            yield merged()
            group.clear()
        if isinstance(item, Prediction):
            group.append(item)
        else:
            yield item
    if group:
        yield merged()


def _same_image(first: Prediction, second: Prediction) -> bool:
    if first.image_path is not None or second.image_path is not None:
        return first.image_path == second.image_path
    return first.image is not None and first.image is second.image
