from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from instructsam.errors import InputError
from instructsam.evaluation.benchmarks.absent_things import ABSENT, ABSENT_THINGS, questions
from instructsam.evaluation.studies.false_alarms import count_false_alarms
from instructsam.structures.instances import Instances
from instructsam.structures.predictions import Prediction
from instructsam.structures.tables import wilson
from instructsam.world.language.lexicon import FAMILY_NOUNS, KIND_NOUNS
from instructsam.world.scenes.blank import BLANK_KINDS


class Jumpy:
    """Finds something wherever a dog is asked for, with the score it is given."""

    score_threshold = 0.5
    default_mode = "generate"
    fingerprint = ""
    calls = None

    def __init__(self, score: float | None) -> None:
        self.score = score
        self.asked: list[str] = []

    def segment(
        self, image: Image.Image, instructions: list[str], /, *, mode: str, score_threshold: float
    ) -> list[Prediction]:
        assert (mode, score_threshold, len(instructions)) == ("direct", 0.0, 1)
        self.asked += instructions
        height, width = image.height, image.width
        found = Instances.empty(height, width)
        if self.score is not None and "dog" in instructions[0]:
            box = np.array([[0, 0, 2, 2]], np.float32)
            masks = np.zeros((1, height, width), np.bool_)
            masks[:, :2, :2] = True
            found = Instances(masks, box, np.array([self.score], np.float32), np.zeros(1, np.int64))
        return [Prediction(found, (instructions[0],), "", "ok", instructions[0], (height, width), image)]


def test_alarms_are_counted_by_type_of_picture() -> None:
    done: list[int] = []
    found = count_false_alarms(Jumpy(0.75), 11, phrases_given=True, progress=done.append)
    rows = {row.kind: row for row in found.rows}
    assert list(rows) == [*BLANK_KINDS, "all empty pictures", ABSENT]
    assert (rows["all empty pictures"].asked, rows["all empty pictures"].alarms) == (11, 0)
    assert (rows["noise"].asked, rows["empty background"].asked) == (2, 1)
    # "a dog" and "the woman with the dog" are among the first eleven names.
    assert (rows[ABSENT].asked, rows[ABSENT].alarms) == (11, 2)
    assert rows[ABSENT].mean_best == pytest.approx(2 * 0.75 / 11)
    assert done == list(range(1, 23))
    assert f"| {ABSENT} " in found.to_text()
    assert json.loads(json.dumps(found.to_dict()))["rows"][-1]["share"] == pytest.approx(2 / 11)


def test_a_score_below_the_threshold_is_no_alarm_but_counts_in_the_mean() -> None:
    row = count_false_alarms(Jumpy(0.25), 5, phrases_given=True).rows[-1]
    assert (row.alarms, row.mean_best) == (0, pytest.approx(0.05))
    silent = count_false_alarms(Jumpy(None), 5, phrases_given=True, score_threshold=0.0).rows[-1]
    assert (silent.alarms, silent.mean_best) == (0, 0.0)


def test_the_questions_are_the_same_every_time() -> None:
    first, second = list(questions(8)), list(questions(8))
    assert [(kind, text) for kind, _, text in first] == [(kind, text) for kind, _, text in second]
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(first, second, strict=True))
    assert len(first) == 16


def test_the_world_has_none_of_the_strangers() -> None:
    assert len(set(ABSENT_THINGS)) == 40
    known = {
        word
        for nouns in (*KIND_NOUNS.values(), *FAMILY_NOUNS.values())
        for noun in nouns
        for word in (noun.one, noun.many)
    }
    for name in ABSENT_THINGS:
        words = name.split()
        spans = {" ".join(words[i:j]) for i in range(len(words)) for j in range(i + 1, len(words) + 1)}
        assert not spans & known, name


def test_wilson_by_hand() -> None:
    assert wilson(0, 10) == (0.0, pytest.approx(0.2775, abs=1e-4))
    assert wilson(5, 10) == (pytest.approx(0.2366, abs=1e-4), pytest.approx(0.7634, abs=1e-4))
    with pytest.raises(InputError, match="at least one trial, got 0"):
        wilson(0, 0)
    with pytest.raises(InputError, match="count must be a whole number from 1"):
        count_false_alarms(Jumpy(None), 0)
