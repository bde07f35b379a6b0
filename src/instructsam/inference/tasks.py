"""Tasks: samples with the options of their request, and batches of them that one forward pass takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from instructsam.errors import InputError
from instructsam.images.loader import LoadedImage
from instructsam.inference.requests import Request, parse_request, taken_mode
from instructsam.processing.processor import InstructSAMProcessor, Sample
from instructsam.structures.answering import MODES
from instructsam.structures.checks import check_choice, check_fraction, describe

if TYPE_CHECKING:
    from instructsam.inference.jobs import ImageJob
    from instructsam.structures.answering import Mode
    from instructsam.structures.predictions import TakenMode

PHRASES_PER_BATCH = 64  # given phrases of one batch; their mask logits take 210 MB at SAM3's size


@dataclass(frozen=True)
class Task:
    """One sample and its options.

    Attributes:
        sample: an instruction, or phrases, about one image of the call.
        mode: which phrases the detector receives.
        score_threshold: minimum score in [0, 1] of an instance.
    """

    sample: Sample
    mode: TakenMode
    score_threshold: float


def tasks_of(request: Request, mode: TakenMode, score_threshold: float) -> list[Task]:
    """One task per sample of a request; in "direct" mode the instruction is its own phrase."""
    return [Task(_direct(s) if mode == "direct" else s, mode, score_threshold) for s in request.samples]


def _direct(sample: Sample) -> Sample:
    return replace(sample, phrases=(sample.instruction.strip(),))


@dataclass
class ParsedJobs:
    """Jobs as tasks about distinct images.

    Attributes:
        requests: of each job, or the reason why it cannot be answered.
        tasks: of all jobs that can be, job by job.
        images: without repetition.
        contents: the key of each image.
    """

    requests: list[Request | InputError] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    images: list[LoadedImage] = field(default_factory=list)
    contents: list[str] = field(default_factory=list)


def parse_jobs(
    jobs: Sequence[ImageJob], processor: InstructSAMProcessor, mode: Mode, score_threshold: float
) -> ParsedJobs:
    """Check jobs and find the images that they share.

    Args:
        jobs: of one call.
        processor: checks texts.
        mode: that "auto" stands for.
        score_threshold: where a job has none.
    """
    parsed = ParsedJobs()
    places: dict[object, int] = {}
    for job in jobs:
        try:
            request, tasks = _parse_job(job, processor, mode, score_threshold)
        except InputError as error:
            parsed.requests.append(error)
            continue
        key = (job.key, job.image.image.size) if job.key else id(job.image.image)
        if key not in places:
            places[key] = len(parsed.images)
            parsed.images.append(job.image)
            parsed.contents.append(job.key)
        parsed.requests.append(request)
        parsed.tasks += [
            replace(task, sample=replace(task.sample, image_index=places[key])) for task in tasks
        ]
    return parsed


def _parse_job(
    job: ImageJob, processor: InstructSAMProcessor, mode: Mode, score_threshold: float
) -> tuple[Request, list[Task]]:
    """The request of a job and its tasks, about image 0.

    Raises:
        InputError: its image, a text or an option cannot be used.
    """
    if not isinstance(job.image, LoadedImage):
        raise InputError(
            f"the image of a job must come from load_image or load_bytes, got {describe(job.image)}"
        )
    check_choice(job.mode, "mode", MODES)
    given = score_threshold if job.score_threshold is None else job.score_threshold
    threshold = check_fraction(given, "score_threshold")
    instruction: object = job.instructions or None
    if job.phrases is not None and len(job.instructions) == 1:
        instruction = job.instructions[0]
    request = parse_request(1, False, instruction, job.phrases, processor)
    return request, tasks_of(request, taken_mode(job.mode, mode, job.phrases), threshold)


def batches(tasks: Sequence[Task], batch_size: int) -> Iterator[list[int]]:
    """Indices of the tasks of each forward pass.

    Tasks about one image follow each other. Tasks with phrases and tasks whose phrases the model writes are never in
    one pass. A pass takes at most `batch_size` tasks, and fewer where they have many phrases.
    """
    waiting: dict[bool, list[int]] = {}
    phrases = 0
    for index in sorted(range(len(tasks)), key=lambda index: tasks[index].sample.image_index):
        given = tasks[index].sample.phrases
        batch = waiting.setdefault(given is not None, [])
        more = len(given or ())
        if batch and (len(batch) == batch_size or (more > 1 and phrases + more > PHRASES_PER_BATCH)):
            yield waiting.pop(given is not None)
            batch = waiting.setdefault(given is not None, [])
            phrases = 0 if given is not None else phrases
        batch.append(index)
        phrases += more
    yield from waiting.values()
