"""The examination of a verifier: candidates about drawn scenes, many of them wrong on purpose, and every question."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from instructsam.engine.audit.error_rates import ErrorRates, chance_of
from instructsam.engine.audit.known import KnownInstruction, Mistake
from instructsam.engine.audit.simulated import SimulatedVLM
from instructsam.engine.audit.truth import truth_of
from instructsam.engine.candidates import Candidate, candidate_to_dict, parse_candidate
from instructsam.engine.rows import ImageRow
from instructsam.engine.settings.verify import VerifySettings
from instructsam.engine.stages.propose import ProposeStage
from instructsam.engine.tasks import Part, Task
from instructsam.engine.votes import vote_task

EXAMINER = ErrorRates(proposal=0.5, no_target=0.5, leak=0.06, broken=0.0, correlation=0.0)
"""Half of the candidates are wrong: a verifier that agrees with everything is right half of the time."""


@dataclass(frozen=True)
class Examinee:
    """A candidate about a scene, with its truth.

    Attributes:
        mistake: "" for a right one.
        known: the instruction with the numbers that it means.
    """

    row: ImageRow
    candidate: Candidate
    mistake: Mistake
    known: KnownInstruction


@dataclass
class Answers:
    """The parts of all questions: (candidate id, stage, number of the vote) -> part."""

    parts: dict[tuple[str, str, int], Part] = field(default_factory=dict)

    def votes(self, candidate: Candidate) -> list[Part]:
        """The votes about a candidate, in their order."""
        found: list[Part] = []
        while (key := (candidate.id, "vote", len(found))) in self.parts:
            found.append(self.parts[key])
        return found


def examinees(row: ImageRow, propose: ProposeStage, seed: int) -> list[Examinee]:
    """The candidates about a row, half of them wrong.

    Args:
        row: of `truth.world_rows`.
        propose: the stage that parses proposals; its settings decide their number and kinds.
        seed: of the choices and mistakes.
    """
    examiner, task = SimulatedVLM(EXAMINER, seed, propose.settings, picture_size=None), Task("propose", row)
    values = propose.data(task, examiner.answer(propose, task).text)["candidates"]
    truth, found = truth_of(row), []
    for candidate in map(parse_candidate, values):
        known, mistake = truth.find(candidate.instruction), truth.mistake(candidate)
        if known is not None and mistake is not None:
            found.append(Examinee(row, candidate, mistake, known))
    return found


def questions(examinee: Examinee, votes: int, verify: VerifySettings) -> Iterator[Task]:
    """Every question about a candidate, whether or not the engine would come to ask it."""
    candidate, row = examinee.candidate, examinee.row
    subject = {"candidate": candidate_to_dict(candidate)}
    if verify.words:
        yield Task("words", row, subject)
    for number in range(votes):
        yield vote_task(row, candidate, number, verify.shuffle)
    if verify.exhaustive and candidate.numbers:
        yield Task("exhaustive", row, subject)
    if verify.no_target and not candidate.numbers:
        yield Task("no_target", row, subject)


class Subsample:
    """Performs tasks from answers that are there, with the votes in another order.

    Args:
        answers: of all questions.
        order: number of the resample, 0 for the votes in their own order.
        votes: that were cast about each candidate.
    """

    def __init__(self, answers: Answers, order: int, votes: int) -> None:
        self.answers, self.order, self.votes = answers, order, votes
        self.used: list[Part] = []

    def __call__(self, task: Task) -> Part:
        """The part of a task; it is also appended to `used`."""
        name = str(task.subject["candidate"]["id"])
        number = task.number
        if task.stage == "vote" and self.order:
            random: Random = chance_of("subsample", name, self.order)
            number = random.sample(range(self.votes), self.votes)[number]
        part = self.answers.parts[name, task.stage, number]
        self.used.append(part)
        return part
