"""How often a model finds what is not there: in pictures without anything, and by names of things that are absent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from PIL import Image

from instructsam.errors import InputError
from instructsam.evaluation.report import format_rows, plain, versions
from instructsam.evaluation.runner import Mode, SegmenterLike, threshold_of
from instructsam.structures.checks import check_count
from instructsam.world.blank import SIDE, blank_pictures
from instructsam.world.stream import WorldSettings, world_sample

# Ordinary things that the world does not have.
STRANGERS: tuple[str, ...] = (
    "the elephant",
    "a bicycle",
    "the traffic light",
    "a dog",
    "the horse",
    "a computer",
    "the telephone",
    "a guitar",
    "the piano",
    "a person",
    "the woman with the dog",
    "a train",
    "the motorcycle",
    "a helicopter",
    "the pizza",
    "a slice of cake",
    "the carrots",
    "an orange juice carton",
    "the bed",
    "a sofa",
    "the television",
    "a clock",
    "the book",
    "some pencils",
    "a pair of scissors",
    "the toothbrush",
    "a mirror",
    "the window blinds",
    "a fire hydrant",
    "the stop sign",
    "a skateboard",
    "the tennis racket",
    "a snowman",
    "the bridge",
    "a mountain",
    "the giraffe",
    "a zebra",
    "the spider",
    "a dinosaur",
    "the trousers",
)
ABSENT = "absent things on scenes"
_SCENE_SEED = 7_919
_Z = 1.959964


@dataclass(frozen=True)
class Alarms:
    """What was found in one type of picture.

    Attributes:
        kind: key of `world.blank.BLANK_KINDS`, or `ABSENT`.
        asked: how many instructions, one per picture.
        alarms: how many were answered with at least one instance at the threshold.
        mean_best: mean of the highest score of any candidate, 0 without a candidate.
    """

    kind: str
    asked: int
    alarms: int
    mean_best: float

    @property
    def share(self) -> float:
        return self.alarms / self.asked

    @property
    def interval(self) -> tuple[float, float]:
        """95% interval of the share."""
        return wilson(self.alarms, self.asked)


@dataclass(frozen=True)
class FalseAlarms:
    """What `instructsam false-alarms` prints."""

    rows: tuple[Alarms, ...]
    provenance: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        rows = [
            {
                "kind": row.kind,
                "asked": row.asked,
                "alarms": row.alarms,
                "share": row.share,
                "interval": list(row.interval),
                "mean_best": row.mean_best,
            }
            for row in self.rows
        ]
        return {"rows": rows, "provenance": dict(self.provenance)}

    def to_text(self) -> str:
        """Markdown: a row per type of picture."""
        rows = [["picture", "asked", "alarms", "share", "95% interval", "mean best score"]]
        for row in self.rows:
            low, high = row.interval
            numbers = [str(row.asked), str(row.alarms), f"{row.share:.3f}", f"{low:.3f} to {high:.3f}"]
            rows.append([row.kind, *numbers, f"{row.mean_best:.3f}"])
        facts = "\n".join(f"- {key}: {plain(value)}" for key, value in self.provenance.items())
        return "\n\n".join(["## False alarms", format_rows(rows), facts])


def wilson(hits: int, count: int) -> tuple[float, float]:
    """95% interval of a share (Wilson 1927).

    Raises:
        InputError: `count` is not positive.
    """
    if count < 1:
        raise InputError(f"a share needs at least one trial, got {count}")
    share, spread = hits / count, _Z**2 / count
    middle = (share + spread / 2) / (1 + spread)
    half = sqrt(share * (1 - share) * spread + spread**2 / 4) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)


def questions(count: int) -> Iterator[tuple[str, Image.Image, str]]:
    """`count` pictures without anything, then `count` scenes: (type of picture, RGB image, instruction).

    Empty pictures are asked the world's own instructions, scenes the things of `STRANGERS` in turn.
    """
    for number, (kind, pixels) in enumerate(blank_pictures(count)):
        asked = world_sample(
            _SCENE_SEED, number, WorldSettings(short_sides=(64,), instructions_per_scene=1, split="val")
        )
        yield kind, Image.fromarray(pixels), asked.instructions[0].text
    for number in range(count):
        scene = world_sample(
            _SCENE_SEED,
            count + number,
            WorldSettings(short_sides=(SIDE,), instructions_per_scene=1, split="val"),
        )
        yield ABSENT, Image.fromarray(scene.rendered.image), STRANGERS[number % len(STRANGERS)]


def count_false_alarms(
    segmenter: SegmenterLike,
    count: int = 200,
    phrases_given: bool = False,
    score_threshold: float | None = None,
    progress: Callable[[int], None] | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> FalseAlarms:
    """Asks for what is not there.

    Args:
        segmenter: model or baseline.
        count: how many empty pictures, and how many scenes.
        phrases_given: each instruction is its own phrase.
        score_threshold: which candidates are an answer; None: the segmenter's own.
        progress: called with the number of answers so far.
        provenance: what the report should also say.

    Raises:
        InputError: `count` is not positive.
    """
    check_count(count, "count")
    threshold = threshold_of(segmenter, score_threshold)
    mode: Mode = "direct" if phrases_given else "generate"
    best: dict[str, list[float]] = {}
    for done, (kind, image, text) in enumerate(questions(count), start=1):
        (found,) = segmenter.segment(image, [text], mode=mode, score_threshold=0.0)
        scores = found.instances.scores
        best.setdefault(kind, []).append(float(scores.max()) if len(scores) else -1.0)
        if progress is not None:
            progress(done)
    everywhere = [score for kind, scores in best.items() if kind != ABSENT for score in scores]
    rows = [_row(kind, scores, threshold) for kind, scores in best.items() if kind != ABSENT]
    rows += [_row("all empty pictures", everywhere, threshold), _row(ABSENT, best[ABSENT], threshold)]
    facts = {**(provenance or {}), "mode": mode, "score_threshold": threshold, "versions": versions()}
    return FalseAlarms(tuple(rows), facts)


def _row(kind: str, best: list[float], threshold: float) -> Alarms:
    """`best` holds -1 where there was no candidate, so that a threshold of 0 does not count it."""
    scores = np.array(best)
    alarms = int(np.count_nonzero(scores >= threshold))
    return Alarms(kind, len(best), alarms, float(np.maximum(scores, 0).mean()))
