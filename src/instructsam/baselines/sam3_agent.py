"""The SAM3 agent: a VLM that calls a detector until it accepts the masks (arXiv 2511.16719, "SAM 3 Agent").

A VLM reads image and instruction and proposes a noun phrase; the detector finds its instances; the VLM sees them
numbered on the image and accepts them, selects some, tries another phrase, or answers that nothing matches. Every step
is bounded, and every call is counted and timed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import overload

from PIL import Image

from instructsam.baselines.agent_prompts import Tried, ask_about_marks, ask_again, ask_for_phrase
from instructsam.baselines.agent_replies import Action, ActionName, ReplyError, parse_action
from instructsam.errors import InputError
from instructsam.images.loader import load_image
from instructsam.structures.answering import Answerer, Mode
from instructsam.structures.calls import Calls
from instructsam.structures.instances import Instances
from instructsam.structures.predictions import Prediction, Status
from instructsam.vlms.json_objects import plain
from instructsam.vlms.protocol import Turn, VisionLanguageModel


@dataclass(frozen=True)
class AgentLimits:
    """Bounds of one answer.

    Attributes:
        rounds: calls of the detector; of the VLM there are at most 2 * (rounds + 1), invalid replies included.
        new_tokens: of each reply of the VLM.
        marks: masks that are drawn and can be selected, best scores first.
    """

    rounds: int = 3
    new_tokens: int = 512
    marks: int = 30

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 1:
                raise InputError(f"{name} must be at least 1, got {value}")


@dataclass
class _State:
    """State of one answer."""

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
        """The detector's: the VLM sees the masks that it returns at this score."""
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
        state = _State(loaded.image, instruction, list(loaded.notes), len(self.calls.log))
        status = self._run(state)
        size = (loaded.image.height, loaded.image.width)
        found = state.chosen if state.chosen is not None else Instances.empty(*size)
        if score_threshold is not None:
            found = found[found.scores >= score_threshold]
        return Prediction(
            instances=found,
            phrases=tuple(trial.phrase for trial in state.tried[-1:]),
            text="\n".join(state.replies),
            status="no_target" if status == "ok" and not len(found) else status,
            instruction=instruction,
            original_size=size,
            image=loaded.image,
            notes=(*state.notes, self.calls.note(state.first_call)),
        )

    def _run(self, state: _State) -> Status:
        """Call VLM and detector until there is a decision: fills `state`, returns how it ended."""
        turns = ask_for_phrase(state.image, state.instruction, (), _OPENING)
        action = self._decide(state, turns, _OPENING, 0)
        for left in range(self.limits.rounds - 1, -1, -1):
            if action is None or action.name != "segment":
                break
            found = self._detect(state, action.phrase)
            action = self._review(state, found, left)
            if action is not None and action.name in ("accept", "select"):
                numbers = action.numbers or range(1, len(found) + 1)
                state.chosen = found[[number - 1 for number in numbers]]
                return "ok"
        if action is None:
            return "malformed"
        if action.name == "none":
            return "no_target"
        state.notes.append(f"the agent used its {self.limits.rounds} rounds without a decision")
        return "truncated"

    def _review(self, state: _State, found: Instances, left: int) -> Action | None:
        """The VLM's action on the detector's answer; `left` rounds remain. Actions that are not offered count, too."""
        if len(found):
            known: tuple[ActionName, ...] = ("accept", "select", "segment", "none")
            offered = [name for name in known if left or name != "segment"]
            turns = ask_about_marks(state.image, state.instruction, found, state.tried, offered)
            return self._decide(state, turns, known, len(found))
        if not left:
            state.notes.append("the detector found nothing for the last phrase")
            return Action("none")
        turns = ask_for_phrase(state.image, state.instruction, state.tried, _OPENING)
        return self._decide(state, turns, _OPENING, 0)

    def _detect(self, state: _State, phrase: str) -> Instances:
        with self.calls.timed("detector", state.instruction, phrase):
            answer = self.detector.segment(state.image, phrases=[phrase], score_threshold=None)
        found, most = answer.instances, self.limits.marks
        if len(found) > most:
            state.notes.append(f"{len(found)} masks for {phrase!r}: the best {most} were shown")
            found = found[found.scores.argsort()[::-1][:most]]
        state.tried.append(Tried(phrase, len(found)))
        return found

    def _decide(
        self, state: _State, turns: list[Turn], allowed: Sequence[ActionName], marks: int
    ) -> Action | None:
        """The VLM's action; a reply that cannot be parsed is requested once more. None: neither could be parsed."""
        decision = "which masks" if marks else "which phrase"
        for attempt in range(2):
            with self.calls.timed("vlm", state.instruction, decision):
                reply = self.vlm.reply(turns, self.limits.new_tokens)
            state.replies.append(reply.text.strip())
            try:
                return parse_action(reply.text, allowed, marks, plain(state.instruction))
            except ReplyError as error:
                problem = f"it was cut at {self.limits.new_tokens} tokens" if reply.cut else str(error)
                state.notes.append(f"reply {len(state.replies)} could not be used: {problem}")
                if attempt == 0:
                    turns = ask_again(turns, reply.text, problem)
        return None


_OPENING: tuple[ActionName, ...] = ("segment", "none")
