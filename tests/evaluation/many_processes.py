"""What `test_together.py` starts several times: an evaluation whose segmenter knows the answers, a little shifted."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from PIL import Image

from instructsam.errors import InputError
from instructsam.evaluation.benchmarks.benchmark import Benchmark
from instructsam.evaluation.distributed import evaluate_together
from instructsam.evaluation.runs.shards import Shard
from instructsam.structures.predictions import Prediction
from tests.evaluation.fakes import Shifted


class Dying(Shifted):
    """The second process is killed, so to speak, in its first call after the first one that is answered."""

    def segment(
        self, image: Image.Image, instructions: list[str], /, *, mode: str, score_threshold: float
    ) -> list[Prediction]:
        if self.requests:
            raise SystemExit(3)
        return super().segment(image, instructions, mode=mode, score_threshold=score_threshold)


class Refusing(Shifted):
    """Takes no instruction about circles."""

    def segment(
        self, image: Image.Image, instructions: list[str], /, *, mode: str, score_threshold: float
    ) -> list[Prediction]:
        if "the circles" in instructions:
            raise InputError("no circles, please")
        return super().segment(image, instructions, mode=mode, score_threshold=score_threshold)


def main(folder: Path, records: Path, how: str) -> None:
    shard = Shard.from_environment()
    dies = how == "dies" and shard.rank == 1
    segmenter = Refusing() if how == "refuses" else Dying() if dies else Shifted()
    benchmark = Benchmark.from_folder(records)
    report = evaluate_together(segmenter, benchmark, shard, folder / "predictions.jsonl")
    asked = sum(len(texts) for texts, _, _ in segmenter.requests)
    (folder / f"asked-{shard.rank}").write_text(str(asked))
    if report is not None:
        print(json.dumps(report.to_dict()))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
