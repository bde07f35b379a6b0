"""X-AnyLabeling: the routes of its remote server, below `/x-anylabeling`.

The address that a user gives the program is that of this server with `/x-anylabeling` at its end: `/v1/models` has
another shape there than in our own routes.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from instructsam import __version__
from instructsam.exports.polygons import joined_ring, mask_polygons
from instructsam.serving.context import Context
from instructsam.serving.errors import BodyError, UnknownModelError
from instructsam.serving.failures import Failure
from instructsam.serving.jobs import make_job, segment
from instructsam.serving.pictures import read_picture_text
from instructsam.serving.requests import parse_body
from instructsam.serving.service import ServedModel
from instructsam.structures.predictions import Prediction

PREFIX = "/x-anylabeling"
FINENESS = 0.001
"""Default tolerance of polygons, as a fraction of the ring's length: the program's "mask fineness"."""
_WIDGETS: tuple[dict[str, Any], ...] = (
    {"name": "edit_text"},
    {"name": "button_send"},
    {"name": "input_conf"},
    {"name": "mask_fineness_slider", "value": round(FINENESS * 10_000)},
    {"name": "toggle_preserve_existing_annotations", "value": False},
)
_HINTS: dict[str, dict[str, str]] = {"edit_text": {"placeholder": "the red mugs"}}


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, allow_inf_nan=False)


class Parameters(_Body):
    """Settings of the program; points and boxes in `marks` are refused."""

    text_prompt: str = ""
    conf_threshold: Annotated[float, Field(ge=0, le=1)] = 0.0
    epsilon_factor: Annotated[float, Field(ge=0, le=1)] = FINENESS
    marks: list[Any] = Field(default_factory=list)
    current_task: str | None = None


class PredictRequest(_Body):
    """The body of `/v1/predict`."""

    model: str
    image: str
    params: Parameters = Field(default_factory=Parameters)


_TASKS = {"polygons": "Polygons", "rectangles": "Rectangles"}


def router(context: Context) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix=PREFIX, tags=["x-anylabeling"])
    context.shapes.add(PREFIX, _error)

    @routes.get("/health")
    async def health() -> dict[str, Any]:
        """Whether the models are loaded."""
        return {"status": "healthy" if context.service.ready else "loading", "version": __version__}

    @routes.get("/v1/models")
    async def models() -> dict[str, Any]:
        """The served models, as the program shows them."""
        return {"success": True, "data": {model.name: _describe(model) for model in context.service.models()}}

    @routes.get("/v1/models/{name}/info")
    async def info(name: str) -> dict[str, Any]:
        """One model."""
        for model in context.service.models():
            if model.name == name:
                return {"success": True, "data": _describe(model)}
        raise UnknownModelError(f"there is no model {name!r:.80}")

    @routes.post("/v1/predict")
    async def predict(request: Request) -> JSONResponse:
        """Shapes of every instance that the text means."""
        body = parse_body(PredictRequest, await request.body())
        if not body.params.text_prompt.strip():
            raise BodyError(
                "params.text_prompt is empty: type what to segment into the text field and press Send; this server "
                "takes words, not points or boxes"
            )
        picture = await read_picture_text(body.image, context.limits)
        threshold = body.params.conf_threshold or None  # 0: the program's user has set none
        job = make_job(picture, context.limits, [body.params.text_prompt], score_threshold=threshold)
        (prediction,) = await segment(context, job, body.model)
        shapes = await asyncio.to_thread(_shapes, prediction, body.params)
        description = "nothing matches" if prediction.status == "no_target" else prediction.remark
        return JSONResponse({"success": True, "data": {"shapes": shapes, "description": description}})

    return routes


def _error(failure: Failure) -> dict[str, Any]:
    return {"success": False, "error": {"code": failure.code, "message": failure.message}}


def _describe(model: ServedModel) -> dict[str, Any]:
    widgets = [*_WIDGETS, {"name": "edit_conf", "value": round(model.score_threshold, 2)}]
    return {
        "display_name": f"InstructSAM {model.name}",
        "batch_processing_mode": "text_prompt",
        "widgets": widgets,
        "available_tasks": [
            {
                "id": task,
                "name": name,
                "batch_processing_mode": "text_prompt",
                "active_widgets": {widget["name"]: _HINTS.get(widget["name"], {}) for widget in widgets},
            }
            for task, name in _TASKS.items()
        ],
        "params": {"conf_threshold": model.score_threshold, "epsilon_factor": FINENESS},
    }


def _shapes(prediction: Prediction, parameters: Parameters) -> list[dict[str, Any]]:
    found = prediction.instances
    boxes = parameters.current_task == "rectangles"
    shapes: list[dict[str, Any]] = []
    columns = zip(found.masks, found.boxes_xyxy, found.scores, found.phrase_ids, strict=True)
    for number, (mask, box, score, phrase) in enumerate(columns, start=1):
        common = {
            "label": prediction.phrases[phrase],
            "score": float(score),
            "group_id": number,
            "description": prediction.instruction,
            "attributes": {},
            "flags": {},
        }
        if boxes:
            x1, y1, x2, y2 = map(float, box)
            corners = [[x1, y1], [x2, y1], [x2, y2], [x1, y2]]
            shapes.append({**common, "shape_type": "rectangle", "points": corners})
        elif mask.any():
            points = _ring(mask, parameters.epsilon_factor).tolist()
            shapes.append({**common, "shape_type": "polygon", "points": points})
    return shapes


def _ring(mask: NDArray[np.bool_], fineness: float) -> NDArray[np.float64]:
    """All parts and holes of a mask as one ring; the tolerance is `fineness` times the length of its outline."""
    outline = mask_polygons(mask)[0].outer
    length = float(np.linalg.norm(outline - np.roll(outline, 1, axis=0), axis=1).sum())
    return joined_ring(mask_polygons(mask, fineness * length))
