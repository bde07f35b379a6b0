"""A simulated VLM: proposer, reviser and verifier about drawn scenes, with set error rates (`error_rates`).

It knows the truth about every instruction that it proposes, and errs on purpose. Its replies are texts as a server
sends them, some of them broken, so that prompts, parsing and the flow are those of a real run. A reply depends on the
seed and the task alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Any

from PIL import Image

from instructsam.engine.audit.error_rates import ErrorRates, chance_of, error_chance, wrong_numbers
from instructsam.engine.audit.known import LEAK, KnownInstruction, leaking, mistake_of
from instructsam.engine.audit.tokens import question_tokens, text_tokens
from instructsam.engine.audit.truth import SceneTruth, truth_of
from instructsam.engine.candidates import NO_TARGET, Candidate, CandidatePhrase, Kind
from instructsam.engine.rows import ImageRow
from instructsam.engine.settings.propose import ProposeSettings
from instructsam.engine.stages.base import Correction, Pictures, Reply, VLMStage
from instructsam.engine.stages.kinds import wanted_kinds
from instructsam.engine.stages.verifier import candidate_of
from instructsam.engine.tasks import Task, Usage
from instructsam.engine.votes import shown_numbers
from instructsam.errors import InputError

PHOTO = (1024, 683)
"""Width and height of a usual photograph, shrunk to `propose.max_side`."""
REASONING = "The instruction describes these objects, and no other object of the picture fits its words."


class SimulatedVLM:
    """Implements `stages.base.Responder` for rows of `truth.world_rows`.

    Args:
        rates: of its errors.
        seed: of its errors and choices.
        propose: kinds and number of its proposals.
        picture_size: width and height in px of the pictures whose tokens are counted, which may differ from those of
            the scenes; None to count no tokens.
    """

    def __init__(
        self,
        rates: ErrorRates | None = None,
        seed: int = 0,
        propose: ProposeSettings | None = None,
        picture_size: tuple[int, int] | None = PHOTO,
    ) -> None:
        self.rates = rates or ErrorRates()
        self.seed = seed
        self.propose = propose or ProposeSettings()
        self._blank = None if picture_size is None else _BlankPictures(Image.new("RGB", picture_size))
        self._replies: Mapping[str, Callable[[Task, SceneTruth, Random], Any]] = {
            "propose": self._propose,
            "revise": self._revise,
            "words": self._words,
            "vote": self._vote,
            "exhaustive": self._more,
            "no_target": self._more,
        }

    @property
    def name(self) -> str:
        """In reports and provenance."""
        return f"simulated (seed {self.seed})"

    async def reply(
        self, stage: VLMStage, task: Task, pictures: Pictures, correction: Correction | None
    ) -> Reply:
        """The reply to a question about a task; the pictures do not count."""
        return self.answer(stage, task, correction)

    def answer(self, stage: VLMStage, task: Task, correction: Correction | None = None) -> Reply:
        """As `reply`.

        Raises:
            InputError: the row is no scene, or the stage is none of these.
        """
        if stage.name not in self._replies:
            known = ", ".join(self._replies)
            raise InputError(f"the simulated model answers the stages {known}, got {stage.name!r}")
        random = chance_of(self.seed, task.key(""), 0 if correction is None else 1)
        text = json.dumps(self._replies[stage.name](task, truth_of(task.row), random))
        if correction is None and random.random() < self.rates.broken:
            text = text[: len(text) // 2]
        if self._blank is None:
            return Reply(text)
        return Reply(text, Usage(question_tokens(stage.question(task, self._blank)), text_tokens(text)))

    # The proposer

    def _propose(self, task: Task, truth: SceneTruth, random: Random) -> Any:
        meant = [known for known in truth.pool if known.numbers]
        used: set[str] = set()
        proposals = []
        for kind, count in wanted_kinds(task.row, self.propose).items():
            waiting = [known for known in truth.pool if known.kind == kind]
            for known in waiting[:count]:
                if kind in NO_TARGET and meant and self._errs("no_target", known.text, random):
                    known = random.choice(meant)  # of which the proposer believes that nothing is meant
                if known.text not in used:
                    used.add(known.text)
                    proposals.append(self._proposal(task.row, kind, known, random))
        if not proposals:  # the world has nothing of the wanted kinds about this scene
            others = [known for known in truth.pool if known.kind in self.propose.kinds]
            proposals = [self._proposal(task.row, known.kind, known, random) for known in others[:1]]
        return {"instructions": proposals}

    def _proposal(self, row: ImageRow, kind: Kind, known: KnownInstruction, random: Random) -> dict[str, Any]:
        phrases = known.phrases
        if kind in NO_TARGET:
            phrases = tuple(CandidatePhrase(phrase.text, ()) for phrase in phrases)
        elif self._errs("proposal", known.text, random):
            phrases = _with_mistake(random, phrases, row)
        leaks = random.random() < self.rates.leak
        text = leaking(known.text, random.randint(1, len(row.instances))) if leaks else known.text
        return {"kind": kind, **_written(text, phrases)}

    def _revise(self, task: Task, truth: SceneTruth, random: Random) -> Any:
        """The right numbers or another mistake; other words, or another instruction, where the numbers were right."""
        candidate = candidate_of(task)
        known = _find(truth, candidate)
        mistake = mistake_of(candidate, known)
        past = {entry["instruction"] for entry in task.subject["history"]} | {candidate.instruction}
        text: str | None = known.text
        if mistake == "":
            text = next((words for words in truth.wordings(known) if words not in past), None)
        if mistake == "target" or text is None:
            others = [one for one in truth.pool if one.kind == candidate.kind and one.text not in past]
            if not others:
                return {"give_up": True, **_written(candidate.instruction, candidate.phrases)}
            known = random.choice(others)
            text = known.text
        phrases = known.phrases
        if candidate.kind not in NO_TARGET and self._errs("proposal", known.text, random):
            phrases = _with_mistake(random, phrases, task.row)
        return {"give_up": False, **_written(text, phrases)}

    # The verifier

    def _words(self, task: Task, truth: SceneTruth, random: Random) -> Any:
        candidate = candidate_of(task)
        leaks = LEAK.search(candidate.instruction) is not None
        if self._errs("words", _find(truth, candidate).text, random):
            leaks = not leaks
        note = "it names a mark" if leaks else ""
        return {"reasoning": REASONING, "problem": "leak" if leaks else "none", "note": note}

    def _vote(self, task: Task, truth: SceneTruth, random: Random) -> Any:
        candidate = candidate_of(task)
        known = _find(truth, candidate)
        numbers = known.numbers
        if self.agrees_falsely(candidate, known):
            numbers = candidate.numbers
        elif self._errs("vote", known.text, random):
            numbers = wrong_numbers(random, numbers, len(task.row.instances), look_alikes(task.row, numbers))
        return {"numbers": list(shown_numbers(task, numbers))}

    def _more(self, task: Task, truth: SceneTruth, random: Random) -> Any:
        """Exhaustivity and no target: the objects that are meant and not in the answer."""
        candidate = candidate_of(task)
        known = _find(truth, candidate)
        missing = sorted(set(known.numbers) - set(candidate.numbers))
        rate = "exhaustive" if candidate.numbers else "no_target_check"
        if self.agrees_falsely(candidate, known):
            missing = []
        elif self._errs(rate, known.text, random):
            others = sorted(set(range(1, len(task.row.instances) + 1)) - set(candidate.numbers))
            missing = [] if missing or not others else [random.choice(others)]
        return {"reasoning": REASONING, "numbers": missing, "unmarked": False, "note": ""}

    def agrees_falsely(self, candidate: Candidate, known: KnownInstruction) -> bool:
        """Whether the verifier repeats the mistake of this candidate, whatever the question."""
        if mistake_of(candidate, known) in ("", "leak"):
            return False
        drawn = chance_of(self.seed, "agreement", known.text, candidate.numbers).random()
        return drawn < self.rates.agreement

    def _errs(self, rate: str, text: str, random: Random) -> bool:
        difficulty = _difficulty(self.seed, text)
        return random.random() < error_chance(getattr(self.rates, rate), self.rates.correlation, difficulty)


@dataclass(frozen=True)
class _BlankPictures:
    """Pictures of one size without content, for the tokens of a question."""

    blank: Image.Image

    def clean(self, row: ImageRow) -> Image.Image:
        return self.blank

    def marked(self, row: ImageRow) -> Image.Image:
        return self.blank

    def full(self, row: ImageRow) -> Image.Image:
        return self.blank


@lru_cache(maxsize=65536)
def _difficulty(seed: int, text: str) -> float:
    return chance_of(seed, "difficulty", text).random()


def look_alikes(row: ImageRow, numbers: Sequence[int]) -> list[int]:
    """Numbers of objects of the same category as one of these."""
    categories = {row.instances[number - 1].category for number in numbers}
    return [n for n, thing in enumerate(row.instances, start=1) if thing.category in categories]


def _with_mistake(
    random: Random, phrases: Sequence[CandidatePhrase], row: ImageRow
) -> tuple[CandidatePhrase, ...]:
    """The phrases, of which one has wrong numbers."""
    place = random.randrange(len(phrases))
    right = phrases[place].numbers
    wrong = wrong_numbers(random, right, len(row.instances), look_alikes(row, right), least=1)
    changed = CandidatePhrase(phrases[place].text, wrong)
    return (*phrases[:place], changed, *phrases[place + 1 :])


def _written(text: str, phrases: Sequence[CandidatePhrase]) -> dict[str, Any]:
    named = [{"text": phrase.text, "numbers": list(phrase.numbers)} for phrase in phrases]
    return {"instruction": text, "phrases": named}


def _find(truth: SceneTruth, candidate: Candidate) -> KnownInstruction:
    known = truth.find(candidate.instruction)
    if known is None:
        raise InputError(
            f"the simulated model knows only its own instructions, got {candidate.instruction!r}: give it the role of "
            "both models (leave verifier out)"
        )
    return known
