"""The SAM3 agent: a vision-language model that calls a detector until it is content (arXiv 2511.16719, "SAM 3 Agent").

A VLM looks at the picture and the instruction and proposes a noun phrase; the detector finds its instances; the VLM
sees them numbered on the picture and accepts them, selects some, tries another phrase, or says that nothing matches.
Every step is bounded, and every call is counted and timed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import overload

from PIL import Image

from instructsam.baselines.agent_prompts import Tried, ask_about_marks, ask_again, ask_for_phrase, plain
from instructsam.baselines.agent_replies import Action, ActionName, ReplyError, parse_action
from instructsam.errors import InputError
from instructsam.images.loader import load_image
from instructsam.structures.answering import Answerer, Mode
from instructsam.structures.calls import Calls
from instructsam.structures.instances import Instances
from instructsam.structures.predictions import Prediction, Status
from instructsam.vlms.protocol import Turn, VisionLanguageModel


@dataclass(frozen=True)
class AgentLimits:
    """Bounds of one answer.

    Attributes:
        rounds: calls of the detector; of the VLM there are at most 2 * (rounds + 1), invalid replies included.
        new_tokens: of each reply of the VLM.
        marks: masks that are drawn and can be chosen, best scores first.
    """

    rounds: int = 3
    new_tokens: int = 512
    marks: int = 30

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 1:
                raise InputError(f"{name} must be at least 1, got {value}")


@dataclass
class _Course:
    """One answer in the making."""

    image: Image.Image
    instruction: str
    notes: list[str]
    first_call: int
    tried: list[Tried] = field(default_factory=list)
    replies: list[str] = field(default_factory=list)
    chosen: Instances | None = None


class Sam3Agent:
    """A VLM with a detector as its tool.

    Attributes:
        calls: every call of the VLM and of the detector so far.
        default_mode: "generate": the VLM writes the phrases.
    """

    default_mode: Mode = "generate"

    def __init__(
        self, vlm: VisionLanguageModel, detector: Answerer, limits: AgentLimits = AgentLimits()
    ) -> None:
        self.vlm, self.detector, self.limits = vlm, detector, limits
        self.calls = Calls()

    @property
    def score_threshold(self) -> float:
        """The detector's: what it returns at this score is what the VLM gets to see."""
        return self.detector.score_threshold

    @property
    def fingerprint(self) -> str:
        """The detector's weights and the VLM's name."""
        return f"{self.detector.fingerprint} with {self.vlm.name}"

    @overload
    def segment(
        self, image: Image.Image, /, *, phrases: Sequence[str], score_threshold: float | None = ...
    ) -> Prediction: ...

    @overload
    def segment(
        self,
        image: Image.Image,
        instruction: Sequence[str],
        /,
        *,
        mode: Mode = ...,
        score_threshold: float | None = ...,
    ) -> list[Prediction]: ...

    def segment(
        self,
        image: Image.Image,
        instruction: Sequence[str] = (),
        /,
        *,
        phrases: Sequence[str] | None = None,
        mode: Mode = "auto",
        score_threshold: float | None = None,
    ) -> Prediction | list[Prediction]:
        """One prediction per instruction, each answered on its own; given phrases are the detector's to answer.

        Args:
            image: all instructions are about it.
            instruction: a list of them.
            phrases: noun phrases instead, of one prediction; the VLM is not called.
            mode: makes no difference: the VLM always writes the phrases.
            score_threshold: of the instances that are returned. Those that the VLM did not choose are never returned.

        Raises:
            InputError: an instruction is empty.
            ServiceError: the VLM's server gives no answer; none is made up.
        """
        if phrases is not None:
            with self.calls.timed("detector", "", ", ".join(phrases)):
                return self.detector.segment(image, phrases=phrases, score_threshold=score_threshold)
        return [self.answer(image, text, score_threshold) for text in instruction]

    def answer(
        self, image: Image.Image, instruction: str, score_threshold: float | None = None
    ) -> Prediction:
        """The answer to one instruction; errors as of `segment`."""
        if not instruction.strip():
            raise InputError("the instruction must not be empty: say what to segment")
        loaded = load_image(image)
        course = _Course(loaded.image, instruction, list(loaded.notes), len(self.calls.log))
        status = self._run(course)
        size = (loaded.image.height, loaded.image.width)
        found = course.chosen if course.chosen is not None else Instances.empty(*size)
        if score_threshold is not None:
            found = found[found.scores >= score_threshold]
        return Prediction(
            instances=found,
            phrases=tuple(one.phrase for one in course.tried[-1:]),
            text="\n".join(course.replies),
            status="no_target" if status == "ok" and not len(found) else status,
            instruction=instruction,
            original_size=size,
            image=loaded.image,
            notes=(*course.notes, self.calls.note(course.first_call)),
        )

    def _run(self, course: _Course) -> Status:
        """Asks and looks until there is a decision: fills `course`, says how it ended."""
        turns = ask_for_phrase(course.image, course.instruction, (), _OPENING)
        action = self._decide(course, turns, _OPENING, 0)
        for left in range(self.limits.rounds - 1, -1, -1):
            if action is None or action.name != "segment":
                break
            found = self._detect(course, action.phrase)
            action = self._look(course, found, left)
            if action is not None and action.name in ("accept", "select"):
                numbers = action.numbers or range(1, len(found) + 1)
                course.chosen = found[[number - 1 for number in numbers]]
                return "ok"
        if action is None:
            return "malformed"
        if action.name == "none":
            return "no_target"
        course.notes.append(f"the agent used its {self.limits.rounds} rounds without a decision")
        return "truncated"

    def _look(self, course: _Course, found: Instances, left: int) -> Action | None:
        """What the VLM makes of the detector's answer; `left` rounds remain. It may ask for more than it is offered."""
        if len(found):
            known: tuple[ActionName, ...] = ("accept", "select", "segment", "none")
            offered = [name for name in known if left or name != "segment"]
            turns = ask_about_marks(course.image, course.instruction, found, course.tried, offered)
            return self._decide(course, turns, known, len(found))
        if not left:
            course.notes.append("the detector found nothing for the last phrase")
            return Action("none")
        turns = ask_for_phrase(course.image, course.instruction, course.tried, _OPENING)
        return self._decide(course, turns, _OPENING, 0)

    def _detect(self, course: _Course, phrase: str) -> Instances:
        with self.calls.timed("detector", course.instruction, phrase):
            answer = self.detector.segment(course.image, phrases=[phrase], score_threshold=None)
        found, most = answer.instances, self.limits.marks
        if len(found) > most:
            course.notes.append(f"{len(found)} masks for {phrase!r}: the best {most} were shown")
            found = found[found.scores.argsort()[::-1][:most]]
        course.tried.append(Tried(phrase, len(found)))
        return found

    def _decide(
        self, course: _Course, turns: list[Turn], allowed: Sequence[ActionName], marks: int
    ) -> Action | None:
        """The VLM's decision; it may answer once more if it cannot be read. None: neither could."""
        question = "which masks" if marks else "which phrase"
        for attempt in range(2):
            with self.calls.timed("vlm", course.instruction, question):
                reply = self.vlm.reply(turns, self.limits.new_tokens)
            course.replies.append(reply.text.strip())
            try:
                return parse_action(reply.text, allowed, marks, plain(course.instruction))
            except ReplyError as error:
                problem = f"it was cut at {self.limits.new_tokens} tokens" if reply.cut else str(error)
                course.notes.append(f"reply {len(course.replies)} could not be used: {problem}")
                if attempt == 0:
                    turns = ask_again(turns, reply.text, problem)
        return None


_OPENING: tuple[ActionName, ...] = ("segment", "none")
