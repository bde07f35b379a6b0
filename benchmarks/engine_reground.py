"""How well re-grounding tells right candidates from wrong ones: `python benchmarks/engine_reground.py [--images 30]`.

Every candidate is an instruction of the drawn world, once with its own numbers and once with one number wrong, added or
missing. The table states the share of both that reach each threshold of `reground.min_set_giou`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from random import Random

from PIL import Image

import instructsam
from instructsam.engine.audit.error_rates import wrong_numbers
from instructsam.engine.audit.truth import truth_of
from instructsam.engine.candidates import Candidate, CandidatePhrase, candidate_to_dict
from instructsam.engine.rows import ImageRow
from instructsam.engine.stages.reground import RegroundStage
from instructsam.engine.tasks import Task
from instructsam.engine.world_rows import world_image, world_rows
from instructsam.structures.tables import format_rows

THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)


class DrawnPictures:
    """The image of one row at a time, always the same object: the model encodes it once."""

    def __init__(self, row: ImageRow) -> None:
        self._image = world_image(row)

    def full(self, row: ImageRow) -> Image.Image:
        return self._image

    clean = marked = full


def candidates(row: ImageRow, count: int, random: Random) -> Iterator[tuple[bool, Candidate]]:
    """Pairs of whether the numbers are right, and the candidate."""
    for known in random.sample(truth_of(row).pool, count):
        right = Candidate(f"{row.id}#1", known.kind, known.text, known.phrases)
        yield True, right
        if known.numbers:
            wrong = wrong_numbers(random, known.numbers, len(row.instances), [], least=1)
            yield False, replace(right, phrases=(CandidatePhrase(known.phrases[0].text, wrong),))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="", help="a model folder or hub id; default: the shipped model")
    parser.add_argument("--images", type=int, default=30)
    parser.add_argument("--per-image", type=int, default=4)
    options = parser.parse_args()
    segmenter = instructsam.load(options.model) if options.model else instructsam.load()
    stage, random = RegroundStage(segmenter, "instruction", 0.5), Random(0)
    scores: dict[bool, list[float]] = {True: [], False: []}
    start = time.perf_counter()
    for row in world_rows("val", options.images):
        pictures = DrawnPictures(row)
        for right, candidate in candidates(row, options.per_image, random):
            task = Task("reground", row, {"candidate": candidate_to_dict(candidate)})
            scores[right].append(stage.run(task, pictures)["set_giou"])
    seconds = time.perf_counter() - start
    rows = [
        [f"{threshold:g}"]
        + [
            f"{sum(score >= threshold for score in scores[right]) / len(scores[right]):.0%}"
            for right in (True, False)
        ]
        for threshold in THRESHOLDS
    ]
    print(format_rows([["min_set_giou", "right candidates pass", "wrong candidates pass"], *rows]))
    count = len(scores[True]) + len(scores[False])
    print(
        f"{len(scores[True])} right and {len(scores[False])} wrong candidates, {seconds / count:.2f} s each"
    )


if __name__ == "__main__":
    main()
