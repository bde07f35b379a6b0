"""Documentation of our own routes in OpenAPI: bodies, answers, errors, examples."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from instructsam.serving.answer_models import (
    BatchAnswer,
    ErrorAnswer,
    ModelsAnswer,
    SegmentAnswer,
)
from instructsam.serving.requests import BatchRequest, SegmentOptions, SegmentRequest

_REF = "#/components/schemas/{model}"
_STATUSES = {
    400: "The body is not JSON or not a form, or an image cannot be read.",
    401: "The key is missing or wrong.",
    403: "The request comes from the page of another site.",
    404: "No model of this name is served.",
    408: "The body did not arrive in time.",
    413: "The request is above a limit.",
    415: "The content type, or a compression, is not accepted.",
    422: "A field is unknown, missing or of a wrong type.",
    503: "The queue is full, or a model is loading: try again after `Retry-After` seconds.",
    504: "The answer did not arrive within the time limit.",
}
_GET = (401, 403)
_ALWAYS = tuple(_STATUSES)
_EXAMPLE = {"image": "iVBORw0KGgo...", "instructions": ["the red mugs", "the plate on the left"]}


def _errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": ErrorAnswer, "description": _STATUSES[status]} for status in statuses}


def _body(json_model: type[BaseModel], example: Any) -> dict[str, Any]:
    """Either JSON or a form with files."""
    fields = SegmentOptions.model_json_schema()["properties"]
    image = {"type": "string", "format": "binary", "description": "An image file."}
    form = {
        "type": "object",
        "properties": {"image": image, **{name: _form_field(field) for name, field in fields.items()}},
        "required": ["image"],
        "additionalProperties": False,
    }
    content = {
        "application/json": {
            "schema": {"$ref": _REF.format(model=json_model.__name__)},
            "example": example,
        },
        "multipart/form-data": {"schema": form},
    }
    return {"requestBody": {"required": True, "content": content}}


def _form_field(field: dict[str, Any]) -> dict[str, Any]:
    """The schema of a field without null, which a form leaves out, and of repeated fields as a list."""
    kinds = [kind for kind in field.get("anyOf", []) if kind.get("type") != "null"]
    lists = [kind for kind in kinds if kind.get("type") == "array"]
    rest = {key: value for key, value in field.items() if key not in ("anyOf", "default")}
    return {**rest, **(lists or kinds)[0]} if kinds else rest


SEGMENT: dict[str, Any] = {
    "response_model": SegmentAnswer,
    "responses": _errors(400, 401, 403, 404, 408, 413, 415, 422, 503, 504),
    "openapi_extra": _body(SegmentRequest, _EXAMPLE),
}
BATCH: dict[str, Any] = {
    "response_model": BatchAnswer,
    "responses": _errors(400, 401, 403, 408, 413, 415, 422, 503),
    "openapi_extra": _body(BatchRequest, {"requests": [_EXAMPLE]}),
}
MODELS: dict[str, Any] = {"response_model": ModelsAnswer, "responses": _errors(401, 403)}


def add_openapi(app: FastAPI) -> None:
    """Complete the application's OpenAPI document by the bodies, which the routes parse themselves, and by errors."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = get_openapi(
                title=app.title, version=app.version, description=app.description, routes=app.routes
            )
            requests = [(model, "validation") for model in (SegmentRequest, BatchRequest)]
            _, schemas = models_json_schema(requests, ref_template=_REF)  # type: ignore[arg-type]
            made.setdefault("components", {}).setdefault("schemas", {}).update(schemas["$defs"])
            made["components"]["securitySchemes"] = {
                "key": {"type": "http", "scheme": "bearer"},
                "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            }
            made["security"] = [{"key": []}, {"header": []}, {}]
            for path, operations in made["paths"].items():
                for method, operation in operations.items():
                    _add_errors(operation["responses"], _ALWAYS if method == "post" or "{" in path else _GET)
            app.openapi_schema = made
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _add_errors(responses: dict[str, Any], statuses: tuple[int, ...]) -> None:
    """Document the errors that any route may answer with; the faces have bodies of their own shape."""
    automatic = responses.get("422", {}).get("content", {}).get("application/json", {}).get("schema", {})
    if automatic.get("$ref", "").endswith("/HTTPValidationError"):  # FastAPI's own shape, which no route uses
        del responses["422"]
    for status in statuses:
        responses.setdefault(
            str(status), {"description": _STATUSES[status], "content": {"application/json": {}}}
        )
