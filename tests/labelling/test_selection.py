"""Selection, doubt and summary of the answers about one image."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from instructsam.errors import InputError
from instructsam.labelling.classes import LabelClass
from instructsam.labelling.doubt import doubt_of
from instructsam.labelling.selection import Selection, select, suppress
from instructsam.labelling.summary import Summary
from instructsam.structures.instances import Instances
from instructsam.structures.predictions import Prediction

LABELS = {"the cups": "cup", "the mugs": "mug", "nothing": "none"}


def answer(
    instruction: str, boxes: list[tuple[int, int, int, int, float]], status: str = "ok"
) -> dict[str, Any]:
    """Instances that are boxes: x1, y1, x2, y2, score."""
    masks = np.zeros((len(boxes), 20, 30), np.bool_)
    for mask, (x1, y1, x2, y2, _) in zip(masks, boxes, strict=True):
        mask[y1:y2, x1:x2] = True
    instances = Instances(
        masks,
        np.array([box[:4] for box in boxes], np.float32).reshape(-1, 4),
        np.array([box[4] for box in boxes], np.float32),
        np.zeros(len(boxes), np.int64),
    )
    return Prediction(instances, ("thing",), "", status, instruction, (20, 30)).to_dict()  # type: ignore[arg-type]


ANSWERS = [
    answer("the cups", [(0, 0, 10, 10, 0.9), (0, 0, 10, 9, 0.5), (20, 10, 30, 20, 0.35)]),
    answer("the mugs", [(0, 0, 10, 10, 0.8)]),
    answer("nothing", [], "no_target"),
]


@pytest.mark.parametrize(
    ("selection", "kept", "suppressed"),
    [
        (Selection(), [0.9, 0.5, 0.35, 0.8], 0),
        (Selection(nms=0.7), [0.9, 0.35], 2),
        (Selection(nms=0.7, nms_per_class=True), [0.9, 0.35, 0.8], 1),
        (Selection(nms=0.95), [0.9, 0.5, 0.35], 1),
        (Selection(min_score=0.6), [0.9, 0.8], 0),
        (Selection(min_score=0.95), [], 0),
    ],
)
def test_selected_instances(selection: Selection, kept: list[float], suppressed: int) -> None:
    found = select("a.png", None, ANSWERS, LABELS, selection)
    assert [row.score for row in found.rows] == pytest.approx(kept)
    assert found.suppressed == suppressed
    labelled = found.labelled()
    assert labelled.instances.scores.tolist() == pytest.approx(kept)
    assert labelled.classes == ("cup", "mug", "none")
    assert [len(prediction.instances) for prediction in labelled.predictions][2] == 0


def test_labels_by_phrase() -> None:
    found = select("a.png", None, ANSWERS, LABELS, Selection(labels="phrases"))
    assert found.labelled().labels == ("thing",) * 4
    assert found.overlap == 0  # all have one label


def test_suppression_keeps_the_first_of_equal_scores() -> None:
    assert suppress(np.ones((3, 3)), np.array([0.5, 0.5, 0.5]), 0.5).tolist() == [True, False, False]
    chain = np.array(
        [[1, 0.6, 0.0], [0.6, 1, 0.6], [0.0, 0.6, 1]]
    )  # the middle one cannot suppress once it is gone
    assert suppress(chain, np.array([0.9, 0.8, 0.7]), 0.5).tolist() == [True, False, True]


def test_doubt_names_its_reasons_and_grows() -> None:
    sure = select("a", None, [answer("the cups", [(0, 0, 9, 9, 0.9)])], LABELS, Selection())
    assert (doubt_of(sure, 0.3, 0.5).amount, doubt_of(sure, 0.3, 0.5).reasons) == (0.0, ())
    both = select("a", None, ANSWERS, LABELS, Selection())
    doubt = doubt_of(both, 0.3, 0.5)
    assert set(doubt.reasons) == {"classes overlap, IoU 1.00", "low score 0.35"}
    assert doubt.low == 1
    cut = select("a", None, [answer("the cups", [(0, 0, 9, 9, 0.9)], "truncated")], LABELS, Selection())
    assert doubt_of(cut, 0.3, 0.5).amount > doubt.amount
    nearer = doubt_of(both, 0.35, 0.5)
    assert nearer.amount > doubt.amount
    empty = select("a", None, [answer("the cups", [])], LABELS, Selection())
    assert doubt_of(empty, 0.3, 0.5).reasons == ("no target",)


def test_summary_counts() -> None:
    summary = Summary.of([LabelClass(name, text) for text, name in LABELS.items()], 0.3, 0.5)
    summary.add(select("a", None, ANSWERS, LABELS, Selection()))
    summary.add(select("b", None, [answer(text, []) for text in LABELS], LABELS, Selection()))
    found = summary.to_dict()
    assert (found["images"], found["images_without_target"], found["instances"]) == (2, 1, 4)
    assert found["overlapping_classes"] == 1
    cup = found["classes"][0]
    assert (cup["instances"], cup["images"], cup["no_target"], cup["low_score"]) == (3, 1, 1, 1)


def test_a_damaged_answer_is_named() -> None:
    with pytest.raises(InputError, match=r"the answer about a\.png is damaged"):
        select("a.png", None, [{"original_size": [2, 3]}], LABELS, Selection())
