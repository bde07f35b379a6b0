"""The way of a row through the stages, without input and output.

`process_row` is a generator: it yields the tasks that are next, which may be performed side by side, is sent their
parts, and returns the decisions. It is the same for every runner.

    [name -> detect] -> propose -> for each candidate: words -> votes -> exhaustive or no_target -> [reground]
                                       ^                          |
                                       +--------- revise <--------+   at most `verify.rounds` times

| stage | subject | data of its part, where the reply is usable |
|---|---|---|
| name | | `concepts`: noun phrases |
| detect | `concepts` | `instances`: see `candidates.instances_to_list` |
| propose | | `candidates`: see `candidates.candidate_to_dict`; `dropped`: number of the others by fault |
| words | `candidate` | `problem`: "", "leak", "ambiguous" or "grammar"; `note`: text |
| vote | `candidate`, `order` | `numbers`: those of the row that the instruction means (see `votes.shown_numbers`) |
| exhaustive, no_target | `candidate` | `numbers`: further ones that are meant; `unmarked`: true, false; `note`: text |
| reground | `candidate` | `set_giou`; `found`: number of instances; `phrases`: set gIoU of each |
| revise | `candidate`, `reason`, `history` | `candidate`: the revised one, or null to give up |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from instructsam.data.record import InstanceRecord
from instructsam.engine.candidates import RowOutcome, parse_candidate, parse_instances
from instructsam.engine.checks import Steps, T
from instructsam.engine.digests import digest
from instructsam.engine.filters.text import candidate_fingerprint
from instructsam.engine.reasons import Reason
from instructsam.engine.rounds import decide
from instructsam.engine.rows import ImageRow
from instructsam.engine.settings.config import EngineConfig
from instructsam.engine.stages.kinds import wanted_kinds
from instructsam.engine.tasks import Part, Task

Flow: TypeAlias = Steps[RowOutcome]

OUTCOME = "outcome"
"""The stage of the part that holds a row's `RowOutcome`; its key is that of `Task(OUTCOME, row)`."""

_VERSION = 1  # of the rules in this module and the ones it calls: a change of them makes outcomes out of date


def outcome_fingerprint(fingerprints: Mapping[str, str], config: EngineConfig) -> str:
    """The fingerprint of the outcome part: it changes with everything that can change an outcome.

    Args:
        fingerprints: of every stage by its name; see `stages.table.fingerprints`.
        config: its thresholds count here and not in the stages: another threshold repeats no question.
    """
    rules = {
        "version": _VERSION,
        "detector": config.source.detector,
        "concepts": config.source.concepts,
        "max_objects": config.propose.max_objects,
        "verify": config.verify.model_dump(mode="json"),
        "words": candidate_fingerprint(config.filters),
        "reground": config.reground.model_dump(mode="json"),
    }
    return digest([dict(fingerprints), rules])


def process_row(row: ImageRow, config: EngineConfig) -> Flow:
    """The tasks of a row, and at last the decisions about its candidates."""
    detected: tuple[InstanceRecord, ...] = ()
    if not row.instances and config.source.detector:
        detected = yield from _detect(row, config)
    outcome = RowOutcome(row.id, (), detected)
    row = outcome.with_objects(row)
    if reason := _skipped(row, config):
        return replace(outcome, skipped=str(reason))
    (part,) = yield [Task("propose", row)]
    if part.unusable:
        return replace(outcome, skipped=str(Reason("unusable", f"propose: {part.unusable}")))
    candidates = [parse_candidate(value) for value in part.data["candidates"]]
    decisions = yield from side_by_side([decide(row, candidate, config) for candidate in candidates])
    return replace(outcome, decisions=decisions, dropped=part.data.get("dropped", {}))


def side_by_side(flows: Sequence[Steps[T]]) -> Steps[tuple[T, ...]]:
    """Runs several flows at once: yields the next tasks of all of them together, and returns their results."""
    results: dict[int, T] = {}
    waiting: dict[int, Sequence[Task]] = {}

    def advance(number: int, parts: Sequence[Part] | None) -> None:
        try:
            waiting[number] = flows[number].send(parts) if parts is not None else next(flows[number])
        except StopIteration as end:
            waiting.pop(number, None)
            results[number] = end.value

    for number in range(len(flows)):
        advance(number, None)
    while waiting:
        parts = iter((yield [task for tasks in waiting.values() for task in tasks]))
        for number, tasks in list(waiting.items()):
            advance(number, [next(parts) for _ in tasks])
    return tuple(results[number] for number in range(len(flows)))


def _detect(row: ImageRow, config: EngineConfig) -> Steps[tuple[InstanceRecord, ...]]:
    """The objects that the detector finds, of the configured concepts or else of those that the model names."""
    concepts: Sequence[str] = config.source.concepts
    if not concepts:
        (part,) = yield [Task("name", row)]
        concepts = () if part.unusable else part.data["concepts"]
    if not concepts:
        return ()
    (part,) = yield [Task("detect", row, {"concepts": list(concepts)})]
    return () if part.unusable else parse_instances(part.data["instances"])


def _skipped(row: ImageRow, config: EngineConfig) -> Reason | None:
    count, most = len(row.instances), config.propose.max_objects
    if count == 0:
        return Reason("no objects", "neither the source nor a detector has any")
    if count > most:
        return Reason("too many objects", f"{count}, of at most {most} (propose.max_objects)")
    if not wanted_kinds(row, config.propose):
        return Reason("no objects", f"{count} is too few for each kind in propose.kinds")
    return None
