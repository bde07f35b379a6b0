"""Our own routes: `/v1/segment`, `/v1/segment/batch`, `/v1/models`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from instructsam.errors import InstructSAMError
from instructsam.serving.answers import prediction_json
from instructsam.serving.context import Context
from instructsam.serving.errors import BodyError, TooLargeError
from instructsam.serving.failures import describe_failure, error_body
from instructsam.serving.fetch import read_image
from instructsam.serving.jobs import make_job, segment
from instructsam.serving.logs import current_request_id
from instructsam.serving.openapi import BATCH, MODELS, SEGMENT
from instructsam.serving.pictures import Picture, read_picture
from instructsam.serving.requests import (
    BatchRequest,
    SegmentOptions,
    SegmentRequest,
    body_kind,
    parse_body,
    parse_form,
)
from instructsam.serving.service import ServedModel


def router(context: Context) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["segment"])

    @routes.post("/v1/segment", **SEGMENT)
    async def segment_image(request: Request) -> JSONResponse:
        """Segment every instance that each instruction means, in one image."""
        start = time.perf_counter()
        if body_kind(request) == "json":
            options = parse_body(SegmentRequest, await request.body())
            answer = await _answer(context, read_image(context, options.image), options)
        else:
            files, options = await parse_form(request, context.limits)  # type: ignore[assignment]
            if len(files) > 1:
                raise BodyError(f"image must be sent once, got {len(files)} files: use /v1/segment/batch")
            answer = await _answer(context, read_picture(files[0], context.limits), options)
        return JSONResponse({**answer, **_footer(start)})

    @routes.post("/v1/segment/batch", **BATCH)
    async def segment_images(request: Request) -> JSONResponse:
        """Segment several images; one that fails does not harm the others."""
        start = time.perf_counter()
        if body_kind(request) == "json":
            requests = parse_body(BatchRequest, await request.body()).requests
            _check_count(len(requests), context)
            answers = [
                _answer(context, read_image(context, one.image, f"requests[{index}].image"), one)
                for index, one in enumerate(requests)
            ]
        else:
            files, options = await parse_form(request, context.limits)
            answers = [
                _answer(context, read_picture(file, context.limits, f"image[{index}]"), options)
                for index, file in enumerate(files)
            ]
        results = await asyncio.gather(*(_answer_or_error(answer) for answer in answers))
        return JSONResponse({"results": results, **_footer(start)})

    @routes.get("/v1/models", **MODELS)
    async def models() -> JSONResponse:
        """The served models, the default one first."""
        return JSONResponse({"models": [_model_json(model) for model in context.service.models()]})

    return routes


async def _answer(context: Context, picture: Awaitable[Picture], options: SegmentOptions) -> dict[str, Any]:
    """The answer about one image."""
    job = make_job(
        await picture,
        context.limits,
        options.instructions,
        options.phrases,
        options.mode,
        options.score_threshold,
    )
    predictions = await segment(context, job, options.model)
    form = (options.masks, options.tolerance, options.overlay)
    written = await asyncio.to_thread(lambda: [prediction_json(item, *form) for item in predictions])
    return {"model": options.model or context.service.models()[0].name, "predictions": written}


async def _answer_or_error(answer: Awaitable[dict[str, Any]]) -> dict[str, Any]:
    try:
        return await answer
    except InstructSAMError as error:
        found = describe_failure(error)
        return {"error": {**error_body(found)["error"], "status": found.status}}


def _check_count(count: int, context: Context) -> None:
    if count > context.limits.max_images:
        raise TooLargeError(
            f"requests must have at most {context.limits.max_images} entries, got {count}: send several requests"
        )


def _footer(start: float) -> dict[str, Any]:
    return {
        "request_id": current_request_id(),
        "milliseconds": round((time.perf_counter() - start) * 1000, 1),
    }


def _model_json(model: ServedModel) -> dict[str, Any]:
    shown = {name: value for name, value in asdict(model).items() if name != "problem"}
    return {**shown, "facts": dict(model.facts or {})}
