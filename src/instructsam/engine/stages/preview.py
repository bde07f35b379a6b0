"""Questions as files, so that a user sees what a model would be sent: text, schema and pictures of a row."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from instructsam.engine.candidates import Candidate, CandidatePhrase, Kind, candidate_to_dict
from instructsam.engine.rows import ImageRow
from instructsam.engine.stages.base import Pictures, Question, Stage, VLMStage
from instructsam.engine.tasks import Task
from instructsam.structures.destinations import prepare_folder
from instructsam.structures.files import write_text
from instructsam.structures.safe_text import one_line
from instructsam.structures.saving import save_image


def preview_rows(
    rows: Iterable[ImageRow], stages: Mapping[str, Stage], pictures: Pictures, folder: Path, count: int = 3
) -> list[Path]:
    """Write the questions about the first rows, each row in a folder of its own: `1`, `2`, ...

    Args:
        count: rows.

    Returns:
        The text files; see `preview_row`.
    """
    files = []
    for number, row in enumerate(islice(rows, count), start=1):
        files += preview_row(row, stages, pictures, folder / str(number))
    return files


def preview_row(row: ImageRow, stages: Mapping[str, Stage], pictures: Pictures, folder: Path) -> list[Path]:
    """Write the questions about one row, each as a text file beside its pictures.

    Args:
        stages: by name; those without questions are left out, and those that need objects for a row without any.
        folder: is created.

    Returns:
        The text files.

    Raises:
        InputError: the image cannot be loaded, or a file cannot be written.
    """
    prepare_folder(folder)
    files = []
    for name, stage in stages.items():
        if isinstance(stage, VLMStage) and bool(row.instances) != (name == "name"):
            task = example_task(name, row)
            files.append(write_question(stage, task, stage.question(task, pictures), folder))
    return files


def example_task(stage: str, row: ImageRow) -> Task:
    """A task of a stage with an example of its subject: all objects of the category of the first one."""
    if stage in ("name", "propose"):
        return Task(stage, row)
    category = row.instances[0].category or "object"
    numbers = tuple(
        number
        for number, instance in enumerate(row.instances, start=1)
        if instance.category == row.instances[0].category
    )
    phrases = (CandidatePhrase(category, () if stage == "no_target" else numbers),)
    kind: Kind = "absent" if stage == "no_target" else "category"
    subject: dict[str, Any] = {
        "candidate": candidate_to_dict(Candidate(f"{row.id}#1", kind, f"Select every {category}.", phrases))
    }
    if stage == "revise":
        subject |= {"reason": "votes: an example of a reason", "history": []}
    return Task(stage, row, subject)


def write_question(stage: VLMStage, task: Task, question: Question, folder: Path) -> Path:
    """Write a question as `NAME.txt` and `NAME-1.png`, ... and return the text file.

    Raises:
        InputError: a file cannot be written.
    """
    lines = [
        f"stage: {stage.name}",
        f"fingerprint: {stage.fingerprint}",
        f"row: {one_line(task.row.id)}",
        f"reply: at most {question.max_tokens} tokens, temperature {question.temperature:g}, seed {question.seed}",
    ]
    count = 0
    for turn in question.turns:
        lines += ["", f"===== {turn.role} ====="]
        for image in turn.images:
            count += 1
            file = f"{stage.name}-{count}.png"
            save_image(image.copy, folder / file)
            lines.append(f"[{file}: {image.width} x {image.height} px]")
        lines.append(turn.text)
    lines += ["", "===== JSON schema of the reply =====", json.dumps(question.schema, indent=2)]
    path = folder / f"{stage.name}.txt"
    write_text(path, "\n".join(lines) + "\n")
    return path
