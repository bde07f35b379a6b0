"""Rows, candidates and scripted parts: the flow without any model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from instructsam.config import build_config
from instructsam.data.record import ImageRef, InstanceRecord
from instructsam.engine.candidates import Candidate, CandidatePhrase, Kind, RowOutcome, candidate_to_dict
from instructsam.engine.flow import Flow
from instructsam.engine.rows import ImageRow
from instructsam.engine.settings.config import EngineConfig
from instructsam.engine.tasks import Part, Task, unusable_data

Answer = Callable[[Task], dict[str, Any]]

WORDS = (
    "the red mug beside the plate",
    "every green book on the upper shelf",
    "the lamp that stands behind the sofa",
    "the two small boats in the harbour",
    "the cow that looks at the camera",
)
OTHER_WORDS = tuple(f"{words} in the afternoon" for words in WORDS)
NO_PROBLEM = {"problem": "", "note": ""}
NOTHING = {"numbers": [], "unmarked": False, "note": ""}


def make_config(**groups: Any) -> EngineConfig:
    values = {
        "output_dir": "run",
        "source": {"data": "coco.json"},
        "vlm": {"model": "small", "url": "http://x/v1"},
    }
    return build_config(EngineConfig, {**values, **groups})


def make_row(count: int = 4, name: str = "row") -> ImageRow:
    """A row with objects that do not overlap: columns of 20 px."""
    boxes = [
        InstanceRecord(box_xywh=(20.0 * index, 0.0, 18.0, 60.0), category="mug") for index in range(count)
    ]
    return ImageRow(name, ImageRef(f"{name}.png", 60, 20 * max(count, 1)), tuple(boxes))


def make_candidate(*numbers: int, index: int = 0, kind: Kind | None = None) -> Candidate:
    kind = kind or ("category" if numbers else "absent")
    words = WORDS[index % len(WORDS)]
    return Candidate(f"row#{index}", kind, words, (CandidatePhrase(words.split(" that ")[0], numbers),))


def reworded(candidate: Candidate, text: str, *numbers: int) -> dict[str, Any]:
    """The data of a revision."""
    phrases = (CandidatePhrase(candidate.phrases[0].text, numbers),)
    return {"candidate": candidate_to_dict(replace(candidate, instruction=text, phrases=phrases))}


def perform(task: Task, answer: Answer) -> Part:
    data = answer(task)
    return Part(task.key("x"), task.stage, task.row.id, data)


def drive(flow: Flow, answer: Answer) -> tuple[RowOutcome, list[Sequence[Task]]]:
    """Runs a flow to its end: its outcome, and the tasks of every wave."""
    waves: list[Sequence[Task]] = []
    try:
        tasks = next(flow)
        while True:
            assert tasks, "a wave without tasks would wait permanently"
            waves.append(tasks)
            tasks = flow.send([perform(task, answer) for task in tasks])
    except StopIteration as end:
        outcome: RowOutcome = end.value
        return outcome, waves


def scripted(proposed: Sequence[Candidate], **stages: Any) -> Answer:
    """Answers by stage: data, a list of data in the order of the tasks, or a function of the task; the others agree."""
    defaults: dict[str, Any] = {
        "propose": {"candidates": [candidate_to_dict(candidate) for candidate in proposed]},
        "words": NO_PROBLEM,
        "vote": lambda task: {
            "numbers": [
                number for phrase in task.subject["candidate"]["phrases"] for number in phrase["numbers"]
            ]
        },
        "exhaustive": NOTHING,
        "no_target": NOTHING,
        "revise": {"candidate": None},
        "reground": {"set_giou": 1.0, "found": 1, "phrases": [1.0]},
    }
    script = {**defaults, **stages}
    queues = {name: list(value) for name, value in script.items() if isinstance(value, list)}

    def answer(task: Task) -> dict[str, Any]:
        if task.stage in queues:
            value = queues[task.stage].pop(0)
        else:
            value = script[task.stage]
        found: dict[str, Any] = value(task) if callable(value) else value
        return found

    return answer


UNUSABLE = unusable_data("it refuses")
