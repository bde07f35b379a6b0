"""Label Studio: the routes of its ML backends, `/setup`, `/predict`, `/webhook`; `/health` is that of the server.

Without a context (pre-annotation) every label of the interface is looked for: by its attribute `instruction`, or by its
name. With a context, the text of a TextArea is the instruction.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Coroutine
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from instructsam.errors import InstructSAMError
from instructsam.exports.label_studio_regions import region, region_values
from instructsam.serving.context import Context
from instructsam.serving.errors import BodyError, TimeLimitError, TooLargeError
from instructsam.serving.faces.label_studio_config import Interface, parse_interface
from instructsam.serving.faces.label_studio_images import TaskImages
from instructsam.serving.failures import describe_failure, error_body
from instructsam.serving.jobs import make_job, segment
from instructsam.serving.requests import parse_body
from instructsam.structures.checks import describe
from instructsam.structures.predictions import Prediction

MOST_TASKS = 256  # Label Studio sends 100 at a time
AT_ONCE = 8  # tasks whose images are in memory
PREDICT_SECONDS = 85.0  # Label Studio waits for 100
_TOLERANCE = 1.0  # px, of polygons


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


class SetupRequest(_Body):
    """The body of `/setup`; its host and token are not used."""

    schema_text: str = Field("", alias="schema")
    project: str | int | None = None


class ContextParameters(_Body):
    """Inputs of the annotator."""

    result: list[dict[str, Any]] = Field(default_factory=list)


class Parameters(_Body):
    """Parameters of a prediction."""

    context: ContextParameters | None = None


class PredictRequest(_Body):
    """The body of `/predict`."""

    tasks: list[dict[str, Any]]
    label_config: str
    params: Parameters | None = None


def router(context: Context) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["label-studio"])
    images = TaskImages(context)

    @routes.post("/setup")
    async def setup(request: Request) -> dict[str, str]:
        """Check the labelling interface; answered also while a model loads."""
        body = parse_body(SetupRequest, await request.body())
        if "<Image" in body.schema_text:  # a new project has an empty interface
            parse_interface(body.schema_text)
        return {"model_version": _version(context)}

    @routes.post("/predict")
    async def predict(request: Request) -> JSONResponse:
        """Regions for every task."""
        body = parse_body(PredictRequest, await request.body())
        if len(body.tasks) > MOST_TASKS:
            raise TooLargeError(f"tasks must be at most {MOST_TASKS}, got {len(body.tasks)}")
        interface = parse_interface(body.label_config)
        given = body.params.context if body.params else None
        text = None if given is None or not given.result else _instruction(given.result)
        names = [f"tasks[{index}]" for index in range(len(body.tasks))]
        places = asyncio.Semaphore(AT_ONCE)

        async def answer(task: dict[str, Any], name: str) -> dict[str, Any]:
            async with places:
                return await _predict(context, images, interface, task, name, text)

        results = await _in_time([answer(*entry) for entry in zip(body.tasks, names, strict=True)])
        return JSONResponse({"results": results})

    @routes.post("/train", status_code=201)
    @routes.post("/webhook", status_code=201)
    async def webhook() -> dict[str, str]:
        """Accepted and ignored: the model does not train while it serves."""
        return {"status": "ignored"}

    return routes


async def _in_time(answers: list[Coroutine[Any, Any, dict[str, Any]]]) -> list[dict[str, Any]]:
    """The answers, before Label Studio stops waiting for them.

    A task that fails, or is not reached in time, does not harm the others: in place of a result it has an error, so
    that Label Studio stores no prediction and sends the task again.

    Raises:
        InstructSAMError: of the first task, if all fail.
    """
    runs = [asyncio.ensure_future(answer) for answer in answers]
    try:
        if runs:
            await asyncio.wait(runs, timeout=PREDICT_SECONDS)
    finally:
        for run in runs:
            run.cancel()
    results: list[dict[str, Any]] = []
    errors: list[InstructSAMError] = []
    for found in await asyncio.gather(*runs, return_exceptions=True):
        if isinstance(found, dict):
            results.append(found)
            continue
        error: BaseException = found
        if isinstance(error, asyncio.CancelledError):
            error = TimeLimitError(f"the task was not reached within {PREDICT_SECONDS:g} seconds")
        if not isinstance(error, InstructSAMError):
            raise error
        errors.append(error)
        results.append(error_body(describe_failure(error)))
    if errors and len(errors) == len(results):
        raise errors[0]
    return results


def _version(context: Context) -> str:
    model = context.service.models()[0]
    return f"instructsam {model.name} {model.fingerprint}".strip()


def _instruction(result: list[dict[str, Any]]) -> str:
    """The text that an annotator typed.

    Raises:
        BodyError: there is none.
    """
    for entry in reversed(result):
        if entry.get("type") == "textarea":
            value = entry.get("value")
            texts = value.get("text") if isinstance(value, dict) else None
            if isinstance(texts, str):
                texts = [texts]
            if isinstance(texts, list) and texts and isinstance(texts[-1], str) and texts[-1].strip():
                return str(texts[-1])
            raise BodyError(f"the value of a TextArea must have a text, got {describe(texts)}")
    raise BodyError(
        "type an instruction into a TextArea of the labelling interface; this server takes words, not points or boxes"
    )


async def _predict(
    context: Context,
    images: TaskImages,
    interface: Interface,
    task: dict[str, Any],
    place: str,
    text: str | None,
) -> dict[str, Any]:
    data = task.get("data")
    address = data.get(interface.field) if isinstance(data, dict) else None
    if not isinstance(address, str):
        raise BodyError(
            f"{place}.data.{interface.field} must be the address of an image, got {describe(address)}"
        )
    picture = await images.read(address, f"{place}.data.{interface.field}")
    instructions = list(dict.fromkeys(interface.labels.values())) if text is None else [text]
    predictions = await segment(context, make_job(picture, context.limits, instructions))
    regions = await asyncio.to_thread(_regions, interface, predictions, text is not None)
    scores = [entry["score"] for entry in regions]
    return {"result": regions, "score": min(scores, default=0.0), "model_version": _version(context)}


def _regions(interface: Interface, predictions: list[Prediction], typed: bool) -> list[dict[str, Any]]:
    regions: list[dict[str, Any]] = []
    for prediction in predictions:
        found, size = prediction.instances, prediction.instances.size
        for index in range(len(found)):
            phrase = prediction.phrases[found.phrase_ids[index]]
            label = _label(interface, phrase, prediction.instruction, typed)
            values = region_values(
                interface.kind, found.masks[index], found.boxes_xyxy[index], size, _TOLERANCE
            )
            regions += [
                region(
                    interface.kind,
                    value,
                    [label],
                    size,
                    control=interface.control,
                    image=interface.image,
                    region_id=secrets.token_hex(5),
                    score=float(found.scores[index]),
                    note=prediction.instruction,
                )
                for value in values
            ]
    return regions


def _label(interface: Interface, phrase: str, instruction: str, typed: bool) -> str:
    """The label of a region: that of its instruction; for a typed one a label that the phrase names, else the first."""
    if not typed:
        return next(label for label, words in interface.labels.items() if words == instruction)
    words = f" {phrase} {instruction} ".casefold()
    return next(
        (label for label in interface.labels if label.casefold() in words), next(iter(interface.labels))
    )
