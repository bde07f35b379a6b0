"""Runs anything that can segment over a benchmark, keeps what it said, and scores it.

Every model and baseline is asked in the same way: one call per image with all instructions about it, for ALL
ranked candidates; the score threshold is applied here, so that AP sees the whole ranking.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instructsam.data.record import Record, record_to_dict
from instructsam.errors import InputError
from instructsam.evaluation.benchmark import Benchmark, Sample
from instructsam.evaluation.bootstrap import bootstrap_intervals
from instructsam.evaluation.metrics import InstructionScore, score_instruction, summarise
from instructsam.evaluation.predictions import (
    PredictionFile,
    StoredPrediction,
    read_header,
    read_predictions,
)
from instructsam.evaluation.report import Report, versions
from instructsam.evaluation.shards import merge_parts
from instructsam.structures.checks import check_fraction, check_path
from instructsam.structures.instances import Prediction
from instructsam.structures.masks import decode_rle

Mode = Literal["generate", "direct"]


class SegmenterLike(Protocol):
    """What a benchmark needs of a model or baseline."""

    @property
    def score_threshold(self) -> float:
        """The threshold that users get by default."""
        ...

    def segment(
        self, image: Image.Image, instructions: list[str], /, *, mode: Mode, score_threshold: float
    ) -> list[Prediction]:
        """One prediction per instruction, each with its candidates of score >= `score_threshold`.

        `mode` is "generate" (the model writes the phrases) or "direct" (each instruction is its own phrase).
        """
        ...


@runtime_checkable
class RecordSegmenter(Protocol):
    """A baseline that is shown the known answers, such as an oracle: a bound, never a model to be used."""

    @property
    def score_threshold(self) -> float:
        """As of `SegmenterLike`."""
        ...

    def segment_records(
        self, image: Image.Image, records: Sequence[Record], /, *, score_threshold: float
    ) -> list[Prediction]:
        """One prediction per record of the image, each with its candidates of score >= `score_threshold`."""
        ...


@dataclass(frozen=True, eq=False)
class Answer:
    """All ranked candidates for one instruction: masks bool [N, H, W], scores float64 [N]."""

    masks: NDArray[np.bool_]
    scores: NDArray[np.float64]
    status: str
    seconds: float

    @classmethod
    def from_stored(cls, item: StoredPrediction) -> Answer:
        scores = np.asarray(item.scores, dtype=np.float64)
        return cls(item.decode_masks(), scores, item.status, item.seconds)


def evaluate(
    segmenter: SegmenterLike | RecordSegmenter,
    benchmark: Benchmark,
    limit: int | None = None,
    phrases_given: bool = False,
    predictions_path: str | Path | None = None,
    score_threshold: float | None = None,
    progress: Callable[[int], None] | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> Report:
    """Segments every instruction of a benchmark and scores the answers.

    Args:
        segmenter: model or baseline; one with `segment_records` is given the records themselves.
        benchmark: see `get_benchmark`.
        limit: only the first so many instructions.
        phrases_given: each instruction is given as its own phrase (one forward pass, nothing decoded).
        predictions_path: JSONL file to append to; ids that it holds already are not predicted again.
        score_threshold: which predictions count as kept; None: the segmenter's own.
        progress: called with the number of instructions done so far.
        provenance: what the report should also say; `model` also guards a predictions file against mixing.

    Raises:
        InputError: no instruction, or the predictions file holds another run.
    """
    threshold = threshold_of(segmenter, score_threshold)
    mode = mode_of(phrases_given)
    given = dict(provenance or {})
    store: PredictionFile | None = None
    notes: tuple[str, ...] = ()
    if predictions_path is not None:
        header = run_header(benchmark, mode, given)
        notes = merge_parts(
            Path(predictions_path), header
        )  # of a run with several processes that was stopped
        store = PredictionFile(predictions_path, header)
        notes += store.notes
    facts = {**given, "mode": mode, "limit": limit}
    try:
        pairs = predict_all(segmenter, benchmark.iterate(limit), mode, store)
        return report_of(benchmark, pairs, threshold, facts, notes, progress)
    finally:
        if store is not None:
            store.close()


def mode_of(phrases_given: bool) -> Mode:
    """How the segmenter is asked."""
    return "direct" if phrases_given else "generate"


def run_header(benchmark: Benchmark, mode: Mode, provenance: Mapping[str, Any] | None) -> dict[str, str]:
    """What the first line of a predictions file says; answers of another run are not mixed in."""
    return {"benchmark": benchmark.name, "mode": mode, "model": str((provenance or {}).get("model", ""))}


def report_of(
    benchmark: Benchmark,
    pairs: Iterable[tuple[Record, Answer]],
    score_threshold: float,
    facts: Mapping[str, Any],
    notes: tuple[str, ...] = (),
    progress: Callable[[int], None] | None = None,
) -> Report:
    """Scores answers as they come.

    Args:
        pairs: each record of the benchmark once, with its answer.
        facts: what the report says of the run besides threshold, time and data.
        notes: what the reader should know.
        progress: called with the number of instructions done so far.

    Raises:
        InputError: there is no pair.
    """
    scores: list[InstructionScore] = []
    statuses: list[str] = []
    seconds, print_ = 0.0, _Fingerprint()
    for record, answer in pairs:
        scores.append(score_answer(record, answer, score_threshold))
        statuses.append(answer.status)
        print_.add(record)
        seconds += answer.seconds
        if progress is not None:
            progress(len(scores))
    if not scores:
        raise InputError(f"nothing to score: {benchmark.name} gave no instruction that has a prediction")
    notes = (*notes, *_truncated_note(statuses), *benchmark.tally.lines())
    told = {"score_threshold": score_threshold, "seconds": round(seconds, 3), "data": print_.text()}
    intervals = {name: [one.low, one.high] for name, one in bootstrap_intervals(scores).items()}
    summary = {**summarise(scores), "intervals": intervals}
    provenance = {**facts, **told, "versions": versions()}
    return Report(benchmark.name, summary, provenance, notes, tuple(scores))


def threshold_of(segmenter: SegmenterLike | RecordSegmenter, score_threshold: float | None) -> float:
    """The caller's threshold, or the segmenter's own for None.

    Raises:
        InputError: it is no number from 0 to 1.
    """
    chosen = segmenter.score_threshold if score_threshold is None else score_threshold
    return check_fraction(chosen, "score_threshold")


def rescore(
    predictions_path: str | Path,
    benchmark: Benchmark,
    score_threshold: float,
    provenance: Mapping[str, Any] | None = None,
) -> Report:
    """Scores a predictions file again, without a model; records that it does not hold are left out and said.

    Raises:
        InputError: the file is of another benchmark or holds none of its instructions.
    """
    check_path(predictions_path, "predictions_path")
    check_fraction(score_threshold, "score_threshold")
    header = read_header(predictions_path)
    if header.get("benchmark") != benchmark.name:
        raise InputError(f"{predictions_path} is of {header.get('benchmark')!r}, not of {benchmark.name!r}")
    stored = {item.id: item for item in read_predictions(predictions_path)}
    absent = 0

    def pairs() -> Iterator[tuple[Record, Answer]]:
        nonlocal absent
        found = 0
        for record in benchmark.records():
            if record.id in stored:
                found += 1
                yield record, Answer.from_stored(stored[record.id])
                continue
            absent += 1
            if benchmark.texts is None and found == len(stored):
                break  # further pictures would be drawn only to be counted

    facts = {key: value for key, value in header.items() if key not in ("format", "benchmark")}
    report = report_of(benchmark, pairs(), score_threshold, {**facts, **(provenance or {})})
    if not absent:
        return report
    least = "at least " if benchmark.texts is None else ""
    note = f"{least}{absent} instructions of the benchmark are not in the predictions file"
    return replace(report, notes=(note, *report.notes))


class _Fingerprint:
    """A hash of the records that were scored, so that two reports can be seen to be about the same data."""

    def __init__(self) -> None:
        self._hash = sha256()

    def add(self, record: Record) -> None:
        self._hash.update(json.dumps(record_to_dict(record), sort_keys=True).encode())

    def text(self) -> str:
        return f"sha256 {self._hash.hexdigest()[:12]}"


def predict_all(
    segmenter: SegmenterLike | RecordSegmenter,
    samples: Iterator[Sample],
    mode: Mode,
    store: PredictionFile | None,
) -> Iterator[tuple[Record, Answer]]:
    done = {} if store is None else store.done
    for _, group in groupby(samples, key=lambda sample: sample[1].image.file):
        pairs = list(group)
        image = pairs[0][0]
        open_records = [record for _, record in pairs if record.id not in done]
        fresh = _predict_image(segmenter, image, open_records, mode) if open_records else {}
        for _, record in pairs:
            if record.id in done:
                yield record, Answer.from_stored(done[record.id])
                continue
            prediction, seconds = fresh[record.id]
            if store is not None:
                store.append(
                    StoredPrediction.from_prediction(
                        prediction, id=record.id, family=record.family, seconds=seconds
                    )
                )
            found = prediction.instances
            scores = found.scores.astype(np.float64)
            yield record, Answer(found.masks, scores, prediction.status, seconds)


def _predict_image(
    segmenter: SegmenterLike | RecordSegmenter, image: Image.Image, records: Sequence[Record], mode: Mode
) -> dict[str, tuple[Prediction, float]]:
    instructions = [record.instruction for record in records]
    start = time.perf_counter()
    if isinstance(segmenter, RecordSegmenter):
        answers = segmenter.segment_records(image, records, score_threshold=0.0)
    else:
        answers = segmenter.segment(image, instructions, mode=mode, score_threshold=0.0)
    seconds = (time.perf_counter() - start) / len(records)
    if len(answers) != len(records):
        raise InputError(f"a segmenter must return {len(records)} predictions, got {len(answers)}")
    return {record.id: (answer, seconds) for record, answer in zip(records, answers, strict=True)}


def score_answer(record: Record, answer: Answer, threshold: float) -> InstructionScore:
    others = [[one.rle for one in other] for other in record.alternatives]
    return score_instruction(
        answer.masks,
        answer.scores,
        target_masks(record),
        threshold,
        id=record.id,
        family=record.family,
        image=record.image.file,
        ignore=_decode_all([record.ignore], record)[0] if record.ignore else None,
        crowds=_decode_all(record.crowds, record) if record.crowds else None,
        alternatives=[_decode_all(codes, record) for codes in others],
    )


def target_masks(record: Record) -> NDArray[np.bool_]:
    """The target masks of all phrases of a record, pooled: bool [M, H, W]."""
    return _decode_all([one.rle for phrase in record.phrases for one in phrase.instances], record)


def _decode_all(codes: Sequence[Mapping[str, Any]], record: Record) -> NDArray[np.bool_]:
    size = (record.image.height, record.image.width)
    masks = [decode_rle(code) for code in codes]
    for mask in masks:
        if mask.shape != size:
            raise InputError(f"record {record.id!r}: masks must have the size {size}, got {mask.shape}")
    return np.stack(masks) if masks else np.zeros((0, *size), dtype=np.bool_)


def _truncated_note(statuses: Sequence[str]) -> tuple[str, ...]:
    cut = sum(status == "truncated" for status in statuses)
    return (f"{cut} of {len(statuses)} answers were cut before every phrase was written",) if cut else ()
