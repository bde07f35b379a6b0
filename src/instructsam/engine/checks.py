"""The checks of a candidate in one round, the cheapest first. A round ends with the first that fails.

No input and output: the data of every part are listed in `flow`.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from instructsam.engine.candidates import NO_TARGET, Candidate, candidate_to_dict
from instructsam.engine.filters.objects import object_problems, problems_of_meant
from instructsam.engine.filters.text import text_problems
from instructsam.engine.reasons import Reason
from instructsam.engine.rows import ImageRow
from instructsam.engine.settings.config import EngineConfig
from instructsam.engine.tasks import Part, Task
from instructsam.engine.votes import Ballot, collect_votes, show_numbers

T = TypeVar("T")
Steps: TypeAlias = Generator[Sequence[Task], Sequence[Part], T]
"""Yields tasks that may be performed side by side, is sent their parts in the same order, and returns a result."""


@dataclass
class Findings:
    """Results of the checks of one round so far; the other fields are those of `Decision`.

    Attributes:
        ballots: votes about the wording, those of earlier rounds first.
    """

    ballots: tuple[Ballot, ...] = ()
    votes: dict[str, float] = field(default_factory=dict)
    named: dict[int, float] = field(default_factory=dict)
    questions: int = 0


def fault(candidate: Candidate, row: ImageRow) -> Reason | None:
    """Why a candidate cannot be a record of this row; None if it can."""
    count = len(row.instances)
    if not candidate.phrases or not candidate.instruction.strip():
        return Reason("unusable", "there is no instruction or no phrase")
    if wrong := [number for number in candidate.numbers if not 1 <= number <= count]:
        return Reason("unusable", f"there are {count} objects, and none has the number {show_numbers(wrong)}")
    if (candidate.kind in NO_TARGET) == bool(candidate.numbers):
        numbers = show_numbers(candidate.numbers)
        return Reason("unusable", f"an instruction of the kind {candidate.kind} names {numbers}")
    return None


def check(
    row: ImageRow, candidate: Candidate, config: EngineConfig, findings: Findings
) -> Steps[Reason | None]:
    """The tasks of one round.

    Returns:
        Why the candidate fails; None if it passes every check.
    """
    problems = text_problems(candidate, row, config.filters)
    if problems := problems or problems_of_meant(candidate, object_problems(row, config.filters)):
        return Reason(problems[0].code, "; ".join(problem.text for problem in problems))
    verify, subject = config.verify, {"candidate": candidate_to_dict(candidate)}
    if verify.words:
        part = yield from ask(Task("words", row, subject), findings)
        if reason := _words(part, findings):
            return reason
    poll = yield from collect_votes(row, candidate, verify, findings.ballots)
    findings.questions += len(poll.ballots) - len(findings.ballots)
    findings.ballots = poll.ballots
    findings.votes |= {"votes": len(poll.ballots), "agreement": poll.agreement}
    findings.named |= poll.named()
    if reason := poll.reason():
        return reason
    stage, asks = ("exhaustive", verify.exhaustive) if candidate.numbers else ("no_target", verify.no_target)
    if asks:
        part = yield from ask(Task(stage, row, subject), findings)
        if reason := _more(part, candidate, findings):
            return reason
    if config.reground.model and candidate.kind in config.reground.kinds:
        part = yield from ask(Task("reground", row, subject), findings)
        return _reground(part, config.reground.min_set_giou, findings)
    return None


def ask(task: Task, findings: Findings) -> Steps[Part]:
    """One task and its part."""
    (part,) = yield [task]
    findings.questions += 1
    return part


def _words(part: Part, findings: Findings) -> Reason | None:
    if part.unusable:
        return _no_reply(part)
    problem = part.data["problem"]
    findings.votes["words"] = float(not problem)
    return Reason(problem, part.data["note"]) if problem else None


def _more(part: Part, candidate: Candidate, findings: Findings) -> Reason | None:
    """The reason of a part that may name further objects: of the stages "exhaustive" and "no_target"."""
    if part.unusable:
        return _no_reply(part)
    found: Mapping[str, Any] = part.data
    numbers = sorted(set(found["numbers"]) - set(candidate.numbers))
    findings.votes[part.stage] = float(not numbers and not found["unmarked"])
    if not numbers and not found["unmarked"]:
        return None
    if not candidate.numbers:
        return Reason("target found", show_numbers(numbers) if numbers else found["note"])
    return (
        Reason("not exhaustive", show_numbers(numbers))
        if numbers
        else Reason("unmarked object", found["note"])
    )


def _reground(part: Part, least: float, findings: Findings) -> Reason | None:
    if part.unusable:
        return _no_reply(part)
    score = part.data["set_giou"]
    findings.votes["set_giou"] = score
    if score >= least:
        return None
    return Reason(
        "re-ground", f"set gIoU {score:.2f} of {part.data['found']} segmented objects, below {least:g}"
    )


def _no_reply(part: Part) -> Reason:
    return Reason("no reply", f"{part.stage}: {part.unusable}")
