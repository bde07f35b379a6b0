"""The confusion matrix of a verifier: what it answers about right candidates, and about each kind of mistake."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from instructsam.engine.audit.error_rates import ErrorRates
from instructsam.engine.audit.examination import Answers, Examinee
from instructsam.engine.candidates import KINDS
from instructsam.engine.tasks import Part
from instructsam.structures.tables import format_rows, wilson

QUESTIONS = ("vote", "exhaustive", "no_target", "words")
_MISTAKES = ("", "missing", "too many", "swapped", "groups", "target", "leak")


@dataclass(frozen=True)
class ConfusionRow:
    """The answers to one question about candidates with one kind of mistake.

    Attributes:
        question: one of `QUESTIONS`.
        mistake: "right" for candidates without one.
        should_pass: whether this question is there to find the mistake, and a right answer lets the candidate pass.
        count: answers.
        passed: of them, those that let the candidate pass.
        unusable: of them, replies that could not be used.
    """

    question: str
    mistake: str
    should_pass: bool
    count: int
    passed: int
    unusable: int

    @property
    def right(self) -> int:
        """Right answers; an unusable reply is none."""
        return self.passed if self.should_pass else self.count - self.passed - self.unusable


@dataclass(frozen=True)
class KindRow:
    """The votes about instructions of one kind.

    Attributes:
        count: votes.
        exact: of them, those that name exactly the objects that are meant.
    """

    kind: str
    count: int
    exact: int


@dataclass(frozen=True)
class Confusion:
    """Answers of a verifier, counted.

    Attributes:
        rates: measured error rates, for a simulated audit with them; None where nothing could be counted.
    """

    rows: tuple[ConfusionRow, ...]
    kinds: tuple[KindRow, ...]
    rates: dict[str, float | None]

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        rows = [{**row.__dict__, "right": row.right} for row in self.rows]
        return {"rows": rows, "kinds": [row.__dict__ for row in self.kinds], "rates": self.rates}

    def to_text(self) -> str:
        """Markdown: answers by question and mistake, then votes by kind."""
        first = [
            [
                "question",
                "candidate",
                "answers",
                "pass",
                "unusable",
                "should",
                "right answers ↑",
                "95% interval",
            ]
        ]
        for row in self.rows:
            interval = "{:.3f} to {:.3f}".format(*wilson(row.right, row.count))
            should = "pass" if row.should_pass else "fail"
            shown = [
                str(row.count),
                str(row.passed),
                str(row.unusable),
                should,
                f"{row.right / row.count:.3f}",
            ]
            first.append([row.question, row.mistake, *shown, interval])
        second = [["kind", "votes", "exact ↑", "95% interval"]]
        for kind in self.kinds:
            interval = "{:.3f} to {:.3f}".format(*wilson(kind.exact, kind.count))
            second.append([kind.kind, str(kind.count), f"{kind.exact / kind.count:.3f}", interval])
        rates = ", ".join(f"{name} {rate:.3f}" for name, rate in self.rates.items() if rate is not None)
        return "\n\n".join([format_rows(first), format_rows(second), f"Measured rates: {rates or 'none'}"])


def confusion_of(examinees: Sequence[Examinee], answers: Answers) -> Confusion:
    """Counts the answers about candidates."""
    counted: dict[tuple[str, str], list[tuple[Part, Examinee]]] = {}
    for one in examinees:
        for part in _parts(answers, one):
            if part.stage == "words" or one.mistake != "leak":  # the numbers of a leak may be wrong, too
                counted.setdefault((part.stage, one.mistake), []).append((part, one))
    rows = [
        _row(question, mistake, counted[question, mistake])
        for question in QUESTIONS
        for mistake in _MISTAKES
        if (question, mistake) in counted
    ]
    votes = [(one, answers.votes(one.candidate)) for one in examinees]
    kinds = []
    for kind in KINDS:
        exact = [_is_exact(part, one) for one, parts in votes if one.known.kind == kind for part in parts]
        if exact:
            kinds.append(KindRow(kind, len(exact), sum(exact)))
    return Confusion(tuple(rows), tuple(kinds), _rates(rows, votes))


def _parts(answers: Answers, one: Examinee) -> list[Part]:
    keys = [(one.candidate.id, stage, 0) for stage in QUESTIONS if stage != "vote"]
    return [*answers.votes(one.candidate), *(answers.parts[key] for key in keys if key in answers.parts)]


def _row(question: str, mistake: str, found: Sequence[tuple[Part, Examinee]]) -> ConfusionRow:
    return ConfusionRow(
        question,
        mistake or "right",
        _should_pass(question, mistake),
        len(found),
        sum(not part.unusable and _passes(part, one) for part, one in found),
        sum(bool(part.unusable) for part, _ in found),
    )


def _should_pass(question: str, mistake: str) -> bool:
    """A question is only to find what it can see: votes know no words, and the exhaustive question no surplus."""
    finds = {
        "vote": ("missing", "too many", "swapped", "target"),
        "exhaustive": ("missing", "swapped"),
        "no_target": ("target",),
        "words": ("leak",),
    }
    return mistake not in finds[question]


def _passes(part: Part, one: Examinee) -> bool:
    if part.stage == "vote":
        return tuple(sorted(part.data["numbers"])) == one.candidate.numbers
    if part.stage == "words":
        return not part.data["problem"]
    return not part.data["unmarked"] and not set(part.data["numbers"]) - set(one.candidate.numbers)


def _is_exact(part: Part, one: Examinee) -> bool:
    return not part.unusable and tuple(sorted(part.data["numbers"])) == one.known.numbers


def _rates(
    rows: Sequence[ConfusionRow], votes: Sequence[tuple[Examinee, Sequence[Part]]]
) -> dict[str, float | None]:
    """The rates of `ErrorRates` that these answers measure."""
    wrong = [[not _is_exact(part, one) for part in parts] for one, parts in votes if one.mistake != "leak"]
    share: dict[str, float | None] = {"vote": _mean([error for errors in wrong for error in errors])}
    share["correlation"] = _correlation(wrong, share["vote"])
    for question, name in (
        ("exhaustive", "exhaustive"),
        ("no_target", "no_target_check"),
        ("words", "words"),
    ):
        mine = [row for row in rows if row.question == question]
        count = sum(row.count for row in mine)
        share[name] = 1 - sum(row.right for row in mine) / count if count else None
    unknown = set(share) - set(ErrorRates.model_fields)
    if unknown:
        raise KeyError(f"no such rates: {sorted(unknown)}")
    return share


def _correlation(wrong: Sequence[Sequence[bool]], rate: float | None) -> float | None:
    """Of the errors of two votes about one candidate."""
    pairs = [both for errors in wrong for both in combinations(errors, 2)]
    if not pairs or rate is None or not 0 < rate < 1:
        return None
    together = sum(a and b for a, b in pairs) / len(pairs)
    return (together - rate**2) / (rate * (1 - rate))


def _mean(values: Sequence[bool]) -> float | None:
    return sum(values) / len(values) if values else None
