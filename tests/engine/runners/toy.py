"""Rows, stages and a model that answers them, small enough to see through."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from instructsam.engine.candidates import Candidate, CandidatePhrase, candidate_to_dict
from instructsam.engine.rows import ImageRow
from instructsam.engine.settings.config import EngineConfig
from instructsam.engine.stages.base import Correction, Pictures, Question, Reply, Stage, VLMStage
from instructsam.engine.stages.replies import NUMBERS, check_numbers, object_schema, parse_reply
from instructsam.engine.tasks import Task, Usage
from instructsam.vlms.protocol import Turn
from tests.engine.filters import rows as filter_rows
from tests.faulty_server import text_of

KEYS = {
    "propose": ("candidates",),
    "words": ("problem", "note"),
    "vote": ("numbers",),
    "exhaustive": ("numbers", "unmarked"),
    "no_target": ("numbers", "unmarked"),
    "revise": ("candidate",),
}


def make_rows(count: int) -> list[ImageRow]:
    """Rows with eight objects each."""
    return [filter_rows.row(f"image-{number}") for number in range(count)]


def make_config(
    folder: Path, url: str = "http://127.0.0.1:9/v1", rounds: int = 2, **vlm: Any
) -> EngineConfig:
    """A configuration of a run against a server."""
    model = {"model": "tiny", "url": url, "timeout": 5.0, "corrections": 3, **vlm}
    groups = {"source": {"data": "x"}, "vlm": model, "verify": {"rounds": rounds}}
    return EngineConfig.model_validate({"output_dir": folder, **groups})


class ToyStage:
    """A stage whose question is its task as JSON, with a picture."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.fingerprint = f"toy {name}"

    def question(self, task: Task, pictures: Pictures) -> Question:
        content = {"stage": task.stage, "row": task.row.id, "subject": task.subject, "number": task.number}
        turn = Turn("user", json.dumps(content), (pictures.marked(task.row),))
        schema = object_schema(numbers=NUMBERS)
        return Question([turn], schema, task.stage, 200, temperature=0.5, seed=task.seed)

    def data(self, task: Task, reply: str) -> dict[str, Any]:
        found = parse_reply(reply, *KEYS[self.name])
        count = len(task.row.instances)
        if "numbers" in found:
            found["numbers"] = list(check_numbers(found["numbers"], "numbers", count))
        if self.name == "propose":
            found["candidates"] = [
                candidate_to_dict(_candidate(task.row, number, value, count))
                for number, value in enumerate(found["candidates"])
            ]
        return found


def _candidate(row: ImageRow, number: int, value: Mapping[str, Any], count: int) -> Candidate:
    numbers = check_numbers(value["numbers"], "numbers", count)
    phrase = CandidatePhrase(value["phrase"], numbers)
    return Candidate(f"{row.id}#{number}", value["kind"], value["instruction"], (phrase,))


def make_stages() -> dict[str, Stage]:
    """A toy stage for each that asks a model."""
    return {name: ToyStage(name) for name in KEYS}


class ToyPictures:
    """A small picture of one colour for each row, kept."""

    def __init__(self) -> None:
        self._made: dict[str, Image.Image] = {}

    def clean(self, row: ImageRow) -> Image.Image:
        colour = (len(row.id) * 7 % 256, 90, 60)
        return self._made.setdefault(row.id, Image.new("RGB", (row.image.width, row.image.height), colour))

    marked = clean


def answer(request: dict[str, Any]) -> str:
    """The right reply to the first question of a request."""
    return answer_task(json.loads(text_of(request).partition("\n")[0]))


def answer_task(task: Mapping[str, Any]) -> str:
    """The right reply to a task: of three candidates the second is refused by the votes, and given up."""
    subject = task["subject"]
    if task["stage"] == "propose":
        found: dict[str, Any] = {
            "candidates": [
                {"kind": "category", "instruction": "Segment the dog.", "phrase": "the dog", "numbers": [1]},
                {"kind": "category", "instruction": "Segment the cat.", "phrase": "the cat", "numbers": [3]},
                {"kind": "absent", "instruction": "Segment the lion.", "phrase": "the lion", "numbers": []},
            ]
        }
    elif task["stage"] == "words":
        found = {"problem": "", "note": ""}
    elif task["stage"] == "revise":
        found = {"candidate": None}
    elif task["stage"] == "vote":
        numbers = subject["candidate"]["phrases"][0]["numbers"]
        found = {"numbers": [2] if numbers == [3] else numbers}
    else:
        found = {"numbers": [], "unmarked": False, "note": ""}
    return json.dumps(found)


class ToyResponder:
    """Answers in this process; the first `broken` replies to a task are broken."""

    name = "toy"

    def __init__(self, broken: int = 0) -> None:
        self.broken = broken
        self.calls: list[tuple[str, str, Correction | None]] = []

    async def reply(
        self, stage: VLMStage, task: Task, pictures: Pictures, correction: Correction | None
    ) -> Reply:
        self.calls.append((task.stage, task.row.id, correction))
        earlier = sum(call[:2] == (task.stage, task.row.id) for call in self.calls) - 1
        if task.stage == "propose" and earlier < self.broken:
            return Reply("no json", Usage(5, 5))
        return Reply(answer_task({"stage": task.stage, "subject": task.subject}), Usage(10, 2))
