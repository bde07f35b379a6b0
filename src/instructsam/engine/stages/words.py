"""Do the words alone show a fault: a leaked answer, ambiguity, bad grammar? Without picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, get_args

from instructsam.engine.stages.base import BrokenReplyError, Pictures, Question
from instructsam.engine.stages.replies import TEXT, choice_schema, object_schema, parse_reply
from instructsam.engine.stages.verifier import Verifier, candidate_of, note_of
from instructsam.engine.tasks import Task
from instructsam.structures.checks import shorten

WordsProblem = Literal["leak", "ambiguous", "grammar"]
_NONE = "none"
_DEFAULTS: Mapping[WordsProblem, str] = {
    "leak": "the words name marks, numbers or coordinates of the annotation",
    "ambiguous": "the words can be read in several ways",
    "grammar": "the words are not grammatical",
}


class WordsStage(Verifier):
    """An instruction and its phrases, and nothing else."""

    name: ClassVar[str] = "words"
    slots: ClassVar[tuple[str, ...]] = ("instruction", "phrases")
    schema: ClassVar[Mapping[str, Any]] = object_schema(
        reasoning=TEXT, problem=choice_schema(_NONE, *get_args(WordsProblem)), note=TEXT
    )

    def question(self, task: Task, pictures: Pictures) -> Question:
        """Which fault the words have."""
        candidate = candidate_of(task)
        phrases = [phrase.text for phrase in candidate.phrases]
        return self.ask(task, {"instruction": candidate.instruction, "phrases": phrases})

    def data(self, task: Task, reply: str) -> dict[str, Any]:
        """{"problem": "" or one of `WordsProblem`, "note": text}."""
        values = parse_reply(reply, "problem")
        found = values["problem"]
        problem = found.strip().lower() if isinstance(found, str) else found
        if problem in ("", _NONE):
            return {"problem": "", "note": ""}
        for known in get_args(WordsProblem):
            if problem == known:
                return {"problem": known, "note": note_of(values, _DEFAULTS[known])}
        choices = ", ".join((_NONE, *get_args(WordsProblem)))
        raise BrokenReplyError(f"problem must be one of {choices}, got {shorten(found)}")
