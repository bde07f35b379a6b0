"""The rounds of one candidate: checks, and revisions with the reason fed back. No input and output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from instructsam.engine.candidates import Candidate, Decision, State, candidate_to_dict, parse_candidate
from instructsam.engine.checks import Findings, Steps, ask, check, fault
from instructsam.engine.reasons import Reason
from instructsam.engine.rows import ImageRow
from instructsam.engine.settings.config import EngineConfig
from instructsam.engine.settings.verify import UnmarkedPolicy
from instructsam.engine.tasks import Task
from instructsam.engine.votes import Ballot

_STATE_OF_UNMARKED: Mapping[UnmarkedPolicy, State] = {"review": "review", "reject": "rejected"}


@dataclass
class _Course:
    """A candidate on its way: its present wording, the findings about it, and the rounds before.

    Attributes:
        ballots: of earlier rounds, by the instruction that they are about.
    """

    candidate: Candidate
    findings: Findings = field(default_factory=Findings)
    questions: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    ballots: dict[str, tuple[Ballot, ...]] = field(default_factory=dict)

    def decision(self, state: State, reason: Reason | None = None) -> Decision:
        findings, words = self.findings, "" if reason is None else str(reason)
        questions = self.questions + findings.questions
        history = tuple(self.history)
        return Decision(self.candidate, state, words, findings.votes, findings.named, questions, history)

    def revise(self, revised: Candidate, reason: Reason) -> None:
        """Begins the next round."""
        past = self.candidate
        self.history.append(
            {"instruction": past.instruction, "numbers": list(past.numbers), "reason": str(reason)}
        )
        self.ballots[_plain(past.instruction)] = self.findings.ballots
        self.candidate = replace(revised, id=past.id, round=past.round + 1)
        self.questions += self.findings.questions
        self.findings = Findings(self.ballots.get(_plain(revised.instruction), ()))


def decide(row: ImageRow, candidate: Candidate, config: EngineConfig) -> Steps[Decision]:
    """The tasks of a candidate in all its rounds, and the decision about it."""
    course, wordings = _Course(candidate), {_wording(candidate)}
    while True:
        if reason := fault(course.candidate, row):
            return course.decision("rejected", reason)
        reason = yield from check(row, course.candidate, config, course.findings)
        if reason is None:
            return course.decision("accepted")
        if state := _final_state(reason, len(course.history), config):
            return course.decision(state, reason)
        subject = {
            "candidate": candidate_to_dict(course.candidate),
            "reason": str(reason),
            "history": course.history[:],
        }
        part = yield from ask(Task("revise", row, subject), course.findings)
        if part.unusable:
            return course.decision("rejected", Reason("unusable", f"no usable revision after {reason}"))
        if part.data["candidate"] is None:
            return course.decision("rejected", Reason("given up", str(reason)))
        revised = parse_candidate(part.data["candidate"])
        if _wording(revised) in wordings:
            return course.decision("review", Reason("repeated", f"same wording and numbers after {reason}"))
        wordings.add(_wording(revised))
        course.revise(revised, reason)


def _final_state(reason: Reason, revisions: int, config: EngineConfig) -> State | None:
    """The state of a candidate that failed and is not revised; None for one that is."""
    if reason.code == "unmarked object" and config.verify.unmarked in _STATE_OF_UNMARKED:
        return _STATE_OF_UNMARKED[config.verify.unmarked]
    if reason.code == "no reply" or revisions >= config.verify.rounds:
        return "review"
    return None


def _wording(candidate: Candidate) -> tuple[str, tuple[int, ...]]:
    """Equal for candidates that would be verified alike: a revision must not be another draw of the same question."""
    return _plain(candidate.instruction), candidate.numbers


def _plain(instruction: str) -> str:
    return " ".join(instruction.casefold().split())
