"""From stored answers about one image to its labels: the minimum score, and suppression of duplicates. No torch.

Works on run-length codes; only instances that stay are decoded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instructsam.errors import InputError
from instructsam.exports.labelled_image import LabelledImage
from instructsam.inference.answer_lines import restore
from instructsam.structures.rle_masks import RleMasks

LabelSource: TypeAlias = Literal["classes", "phrases"]


@dataclass(frozen=True)
class Selection:
    """Options that decide which instances are exported; changing them needs no model.

    Attributes:
        min_score: lowest score; None keeps all that were stored.
        nms: an instance is a duplicate if its mask has at least this IoU with one of a higher score; None keeps all.
        nms_per_class: only instances of one class are duplicates of each other.
        labels: "classes": an instance is labelled with the class of its instruction; "phrases": with its phrase.
    """

    min_score: float | None = None
    nms: float | None = None
    nms_per_class: bool = False
    labels: LabelSource = "classes"


@dataclass(frozen=True)
class Row:
    """One instance that was kept.

    Attributes:
        label: in exports.
        class_index: number of its class.
        score: in [0, 1].
        code: run-length code of its mask.
    """

    label: str
    class_index: int
    score: float
    code: Mapping[str, Any]


@dataclass(frozen=True)
class SelectedImage:
    """The answers about one image after selection.

    Attributes:
        name, path: of the image.
        size: (height, width) px.
        answers: one per class, as `Prediction.to_dict` writes them, with the kept instances only.
        rows: the kept instances, in the order of the answers.
        suppressed: duplicates that were left out.
        overlap: the largest IoU of two kept instances of different classes.
        labels: see `LabelledImage.merge`.
    """

    name: str
    path: Path | None
    size: tuple[int, int]
    answers: tuple[dict[str, Any], ...]
    rows: tuple[Row, ...]
    suppressed: int
    overlap: float
    labels: str | Mapping[str, str]

    def labelled(self, image: Image.Image | None = None) -> LabelledImage:
        """With decoded masks."""
        path = None if self.path is None else str(self.path)
        predictions = (
            replace(restore(fields, f"the answer about {self.name}", image), image_path=path)
            for fields in self.answers
        )
        return LabelledImage.merge(tuple(predictions), self.name, self.path, self.labels)


def select(
    name: str,
    path: Path | None,
    answers: Sequence[Mapping[str, Any]],
    labels: Mapping[str, str],
    selection: Selection,
) -> SelectedImage:
    """Apply a selection to the answers about one image.

    Args:
        name, path: of the image.
        answers: one per class, as `Prediction.to_dict` writes them.
        labels: the name of the class of each instruction.
        selection: the options.

    Raises:
        InputError: an answer is damaged.
    """
    try:
        height, width = answers[0]["original_size"]
        found = [
            (index, row)
            for index, fields in enumerate(answers)
            for row in fields["instances"]
            if selection.min_score is None or row["score"] >= selection.min_score
        ]
        rows = [
            Row(
                row["phrase"] if selection.labels == "phrases" else labels[answers[index]["instruction"]],
                index,
                row["score"],
                row["segmentation"],
            )
            for index, row in found
        ]
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise InputError(
            f"the answer about {name} is damaged ({error}): remove its line to answer it again"
        ) from error
    kept, overlap = _without_duplicates(rows, (height, width), name, selection)
    chosen = [found[place] for place in kept]
    return SelectedImage(
        name,
        path,
        (height, width),
        tuple(
            _only(fields, [row for owner, row in chosen if owner == index])
            for index, fields in enumerate(answers)
        ),
        tuple(rows[place] for place in kept),
        len(rows) - len(kept),
        overlap,
        "phrases" if selection.labels == "phrases" else labels,
    )


def _only(fields: Mapping[str, Any], rows: list[Any]) -> dict[str, Any]:
    status = "no_target" if fields["status"] == "ok" and not rows else fields["status"]
    return {**fields, "instances": rows, "status": status}


def _without_duplicates(
    rows: Sequence[Row], size: tuple[int, int], name: str, selection: Selection
) -> tuple[list[int], float]:
    """Indices of the rows that stay, in order, and the largest IoU between kept rows of different labels."""
    if len(rows) < 2:
        return [*range(len(rows))], 0.0
    masks = RleMasks.load([row.code for row in rows], size, name)
    iou = masks.iou(masks)
    numbers = {label: number for number, label in enumerate(dict.fromkeys(row.label for row in rows))}
    labels = np.array([numbers[row.label] for row in rows])
    same = labels[:, None] == labels[None, :]
    if selection.nms is None:
        kept = np.ones(len(rows), dtype=np.bool_)
    else:
        kept = suppress(
            np.where(same, iou, 0) if selection.nms_per_class else iou,
            np.array([row.score for row in rows]),
            selection.nms,
        )
    between = np.where(same | ~kept[:, None] | ~kept[None, :], 0, iou)
    return [int(place) for place in np.flatnonzero(kept)], float(between.max())


def suppress(iou: NDArray[np.float64], scores: NDArray[np.float64], threshold: float) -> NDArray[np.bool_]:
    """Greedy non-maximum suppression.

    Args:
        iou: [N, N] of all pairs.
        scores: [N]; of equal scores the earlier instance is kept.
        threshold: least IoU of a duplicate.

    Returns:
        bool [N], the instances that are kept.
    """
    kept = np.ones(len(scores), dtype=np.bool_)
    order = np.argsort(-scores, kind="stable")
    for place, index in enumerate(order):
        if kept[index]:
            later = order[place + 1 :]
            kept[later[iou[index, later] >= threshold]] = False
    return kept
