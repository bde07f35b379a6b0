"""Roboflow inference: `POST /sam3/concept_segment`, as `inference_sdk.InferenceHTTPClient` calls it.

Each text prompt is an instruction. Prompts of boxes are refused: InstructSAM takes words.
"""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from instructsam.exports.polygons import keyhole_ring, mask_polygons
from instructsam.labelling.selection import suppress
from instructsam.serving.auth import require_key
from instructsam.serving.context import Context
from instructsam.serving.errors import BodyError, TooLargeError
from instructsam.serving.failures import Failure
from instructsam.serving.fetch import read_image
from instructsam.serving.jobs import make_job, segment
from instructsam.serving.requests import parse_body
from instructsam.structures.masks import encode_rle
from instructsam.structures.predictions import Prediction
from instructsam.structures.rle_masks import RleMasks

PATH = "/sam3/concept_segment"
MOST_PROMPTS = 16
_TOLERANCE = 0.5  # px, of polygons

Score = Annotated[float, Field(ge=0, le=1)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, allow_inf_nan=False)


class ImageField(_Body):
    """An image: its content in base64, or a URL of an allowed host."""

    type: Literal["base64", "url"] = "base64"
    value: str


class Prompt(_Body):
    """A concept: words, or boxes, which are refused."""

    type: Literal["text", "visual"] = "text"
    text: str | None = None
    boxes: list[Any] | None = None
    output_prob_thresh: Score | None = None


class ConceptRequest(_Body):
    """The body of the route; `model_id` names another vendor's weights and is ignored."""

    image: ImageField
    prompts: Annotated[list[Prompt], Field(min_length=1)]
    output_prob_thresh: Score = 0.5
    nms_iou_threshold: Score | None = None
    format: Literal["polygon", "rle"] = "polygon"
    api_key: str | None = None


def router(context: Context) -> APIRouter:
    """The route."""
    routes = APIRouter(tags=["roboflow"])
    context.shapes.add("/sam3", _error)

    @routes.post(PATH)
    async def concept_segment(request: Request) -> JSONResponse:
        """Segment every instance of each text prompt."""
        start = time.perf_counter()
        body = parse_body(ConceptRequest, await request.body())
        require_key(context, request.state.authorized, body.api_key)
        texts = [_words(prompt, index) for index, prompt in enumerate(body.prompts)]
        if len(texts) > MOST_PROMPTS:
            raise TooLargeError(f"prompts must be at most {MOST_PROMPTS}, got {len(texts)}")
        lowest = min(_threshold(body, prompt) for prompt in body.prompts)
        picture = await read_image(context, body.image.value, "image.value")
        job = make_job(picture, context.limits, texts, score_threshold=lowest)
        predictions = await segment(context, job)
        results = await asyncio.to_thread(_results, body, texts, predictions)
        return JSONResponse({"prompt_results": results, "time": time.perf_counter() - start})

    return routes


def _error(failure: Failure) -> dict[str, Any]:
    """`inference_sdk` shows the message of an error."""
    return {"message": failure.message, "code": failure.code, "request_id": failure.request_id}


def _words(prompt: Prompt, index: int) -> str:
    if prompt.type == "visual" or prompt.boxes:
        raise BodyError(
            f"prompts[{index}] must be text: this server segments what words mean and takes no boxes"
        )
    if prompt.text is None:
        raise BodyError(f"prompts[{index}].text is missing")
    return prompt.text


def _threshold(body: ConceptRequest, prompt: Prompt) -> float:
    return body.output_prob_thresh if prompt.output_prob_thresh is None else prompt.output_prob_thresh


def _results(body: ConceptRequest, texts: list[str], predictions: list[Prediction]) -> list[dict[str, Any]]:
    kept = [
        prediction.instances.scores >= _threshold(body, prompt)
        for prompt, prediction in zip(body.prompts, predictions, strict=True)
    ]
    if body.nms_iou_threshold is not None:
        kept = _without_overlaps(predictions, kept, body.nms_iou_threshold)
    return [
        {
            "prompt_index": index,
            "echo": {"prompt_index": index, "type": "text", "text": text, "num_boxes": 0},
            "predictions": [
                {"masks": _masks(mask, body.format), "confidence": float(score), "format": body.format}
                for mask, score in zip(
                    prediction.instances.masks[keep], prediction.instances.scores[keep], strict=True
                )
            ],
        }
        for index, (text, prediction, keep) in enumerate(zip(texts, predictions, kept, strict=True))
    ]


def _without_overlaps(
    predictions: list[Prediction], kept: list[NDArray[np.bool_]], threshold: float
) -> list[NDArray[np.bool_]]:
    """Suppression across prompts: of two masks that overlap, the one of the higher score stays."""
    chosen = [prediction.instances[keep] for prediction, keep in zip(predictions, kept, strict=True)]
    masks = RleMasks.encode(np.concatenate([instances.masks for instances in chosen]))
    scores = np.concatenate([instances.scores for instances in chosen])
    stay = suppress(masks.iou(masks), scores, threshold)
    found, start = [], 0
    for keep in kept:
        count = int(keep.sum())
        part = keep.copy()
        part[keep] = stay[start : start + count]
        found.append(part)
        start += count
    return found


def _masks(mask: NDArray[np.bool_], form: str) -> Any:
    """Run lengths of COCO, or one ring per part: holes are joined to it by a cut."""
    if form == "rle":
        return encode_rle(mask)
    return [keyhole_ring(polygon).tolist() for polygon in mask_polygons(mask, _TOLERANCE)]
