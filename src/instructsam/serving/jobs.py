"""From the fields of a request to a job, and its answer: the part that every face shares."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from instructsam.inference.jobs import ImageJob
from instructsam.serving.context import Context
from instructsam.serving.errors import RequestError, TooLargeError
from instructsam.serving.memory import reserve
from instructsam.serving.pictures import Picture
from instructsam.serving.settings import Limits
from instructsam.structures.answering import MODES, Mode
from instructsam.structures.checks import check_choice, check_fraction, check_text
from instructsam.structures.predictions import Prediction

_LOG = logging.getLogger("instructsam.serving")


def make_job(
    picture: Picture,
    limits: Limits,
    instructions: Sequence[str] = (),
    phrases: Sequence[str] | None = None,
    mode: Mode = "auto",
    score_threshold: float | None = None,
) -> ImageJob:
    """A job of checked fields.

    Raises:
        TooLargeError: more instructions, phrases or characters than the limits.
        InputError: a text is empty or not valid, or there is nothing to segment.
    """
    _check_texts(instructions, "instructions", limits.max_instructions, limits)
    _check_texts(phrases or (), "phrases", limits.max_phrases, limits)
    if phrases is None and not instructions:
        raise RequestError("say what to segment: give instructions, or phrases")
    if phrases is not None and not phrases:
        raise RequestError(
            "phrases must have at least one phrase, got an empty list: leave it out, or name one"
        )
    if phrases is not None and len(instructions) > 1:
        raise RequestError(
            f"phrases go with at most one instruction, got {len(instructions)}: send one request per instruction"
        )
    height, width = picture.size
    reserve(height * width * max(len(instructions), len(phrases or ())))  # of a mask each
    check_choice(mode, "mode", MODES)
    threshold = None if score_threshold is None else check_fraction(score_threshold, "score_threshold")
    given = None if phrases is None else tuple(phrases)
    return ImageJob(picture.image, tuple(instructions), given, mode, threshold, picture.key)


async def segment(context: Context, job: ImageJob, model: str | None = None) -> list[Prediction]:
    """The predictions of a job, within the time limit of a request.

    Raises: as `Service.segment`, and BusyError where the masks do not fit into the memory of all requests.
    """
    if context.settings.log_text:
        facts = {"instructions": list(job.instructions), "phrases": list(job.phrases or ())}
        _LOG.info("texts", extra={"facts": facts})
    predictions = await context.service.segment(job, model, context.limits.max_seconds)
    reserve(sum(prediction.instances.masks.nbytes for prediction in predictions))
    return predictions


def _check_texts(texts: Sequence[str], name: str, most: int, limits: Limits) -> None:
    if len(texts) > most:
        raise TooLargeError(f"{name} must be at most {most}, got {len(texts)}: send several requests")
    for index, text in enumerate(texts):
        place = f"{name}[{index}]"
        check_text(text, place)
        if len(text) > limits.max_characters:
            raise TooLargeError(
                f"{place} must have at most {limits.max_characters} characters, got {len(text)}"
            )
        if not any(letter.isprintable() and not letter.isspace() for letter in text):
            raise RequestError(f"{place} is empty; say in words what to segment, e.g. 'the red mugs'")
