"""The state of a run: finished rows, parts, decisions, votes and revisions. Rows are read one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from instructsam.engine.candidates import KINDS, Decision, State
from instructsam.engine.ledger.ledger import Ledger
from instructsam.engine.rows import ImageRow
from instructsam.engine.runners.outcomes import find_outcome
from instructsam.engine.runners.spending import Spent
from instructsam.structures.safe_text import one_line

STATES: tuple[State, ...] = get_args(State)


@dataclass
class RunStatus:
    """Counts of a run.

    Attributes:
        rows: of the run.
        finished: rows with an outcome under the present settings.
        parts: by stage, those of earlier settings included.
        states: candidates by state.
        kinds: candidates by kind and state.
        skipped: finished rows without candidates, by the code of the reason.
        reasons: candidates that are not accepted, by state and code of the reason.
        revised: revisions by the code of the reason that called for them.
        rounds: candidates by the round of their last wording, 0 for those that were never revised.
        votes: sum and number of the results of every check, see `Decision.votes`.
        spending: tokens and money by model, failed calls included.
    """

    rows: int = 0
    finished: int = 0
    parts: Mapping[str, int] = field(default_factory=dict)
    states: Counter[State] = field(default_factory=Counter)
    kinds: Counter[tuple[str, State]] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    reasons: Counter[tuple[State, str]] = field(default_factory=Counter)
    revised: Counter[str] = field(default_factory=Counter)
    rounds: Counter[int] = field(default_factory=Counter)
    votes: dict[str, tuple[float, int]] = field(default_factory=dict)
    spending: Mapping[str, Spent] = field(default_factory=dict)

    @property
    def mean_votes(self) -> dict[str, float]:
        """The mean result of every check."""
        return {name: total / count for name, (total, count) in sorted(self.votes.items())}

    def add(self, decision: Decision) -> None:
        """Count the decision about a candidate."""
        self.states[decision.state] += 1
        self.kinds[decision.candidate.kind, decision.state] += 1
        self.rounds[decision.candidate.round] += 1
        if decision.state != "accepted":
            self.reasons[decision.state, decision.code] += 1
        self.revised.update(str(past["reason"]).partition(":")[0] for past in decision.history)
        for name, vote in decision.votes.items():
            total, count = self.votes.get(name, (0.0, 0))
            self.votes[name] = (total + vote, count + 1)

    def lines(self) -> list[str]:
        """The status for a terminal."""
        found = [
            f"rows: {self.finished} of {self.rows} finished",
            f"skipped rows: {_counts(self.skipped)}",
            f"parts: {_counts(self.parts)}",
            f"candidates: {self.states.total()}",
        ]
        for state in STATES:
            reasons = {code: count for (of, code), count in self._frequent() if of == state}
            found.append(f"{state}: {self.states[state]}" + (f" ({_counts(reasons)})" if reasons else ""))
        for kind in KINDS:
            counts: dict[str, int] = {state: self.kinds[kind, state] for state in STATES}
            if any(counts.values()):
                found.append(f"kind {kind}: {_counts(counts)}")
        found.append(f"last rounds: {_counts({f'in {n}': self.rounds[n] for n in sorted(self.rounds)})}")
        found.append(f"revisions: {_counts(dict(self.revised.most_common()))}")
        means = ", ".join(f"{one_line(name)} {mean:.3f}" for name, mean in self.mean_votes.items())
        found.append(f"mean results of checks: {means or 'none'}")
        for model, spent in sorted(self.spending.items()):
            usage = spent.usage
            found.append(
                f"spent on {one_line(model)}: {spent.calls} calls ({spent.failed} failed), "
                f"{usage.input_tokens:,} + {usage.output_tokens:,} tokens, cost {spent.cost:.2f}"
            )
        return found

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "rows": self.rows,
            "finished": self.finished,
            "parts": dict(self.parts),
            "states": {state: self.states[state] for state in STATES},
            "kinds": {
                kind: {state: self.kinds[kind, state] for state in STATES}
                for kind in KINDS
                if any(self.kinds[kind, state] for state in STATES)
            },
            "reasons": [
                {"state": state, "reason": code, "count": count} for (state, code), count in self._frequent()
            ],
            "skipped": dict(sorted(self.skipped.items())),
            "revised": dict(sorted(self.revised.items())),
            "rounds": {str(number): self.rounds[number] for number in sorted(self.rounds)},
            "mean_votes": self.mean_votes,
            "spending": {
                model: {
                    "calls": spent.calls,
                    "failed": spent.failed,
                    "input_tokens": spent.usage.input_tokens,
                    "output_tokens": spent.usage.output_tokens,
                    "cost": spent.cost,
                }
                for model, spent in sorted(self.spending.items())
            },
        }

    def _frequent(self) -> list[tuple[tuple[State, str], int]]:
        return sorted(self.reasons.items(), key=lambda item: (-item[1], item[0]))


def run_status(
    rows: Iterable[ImageRow], ledger: Ledger, fingerprint: str, spending: Mapping[str, Spent] | None = None
) -> RunStatus:
    """Count the rows, parts and decisions of a run.

    Args:
        rows: of the run.
        ledger: open to read or to write.
        fingerprint: of the outcomes, see `outcome_fingerprint`.
        spending: sums by model, `SpendingLog.models`.
    """
    status = RunStatus(parts=ledger.stages(), spending=spending or {})
    for row in rows:
        status.rows += 1
        outcome = find_outcome(row, fingerprint, ledger)
        if outcome is not None:
            status.finished += 1
            if outcome.skipped:
                status.skipped[outcome.skipped.partition(":")[0]] += 1
            for decision in outcome.decisions:
                status.add(decision)
    return status


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {one_line(name)}" for name, count in counts.items()) or "none"
