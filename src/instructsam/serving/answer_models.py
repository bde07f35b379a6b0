"""Answers of our own routes, for the OpenAPI document."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ErrorFacts(_Answer):
    """An error."""

    code: str = Field(description="A stable word for programs.", examples=["too_large"])
    message: str = Field(description="One line for people.")
    request_id: str = Field(description="As in the header X-Request-ID and in the server's log.")


class EntryErrorFacts(ErrorFacts):
    """The error of one entry of a batch."""

    status: int = Field(description="The HTTP status of the entry as a request of its own.")


class ErrorAnswer(_Answer):
    """The answer to a request that failed."""

    error: ErrorFacts


class RunLengths(_Answer):
    """COCO's compressed run-length code."""

    size: tuple[int, int] = Field(description="(height, width) px.")
    counts: str


class InstanceAnswer(_Answer):
    """One instance."""

    number: int = Field(description="From 1, as drawn in the overlay.")
    phrase: str
    score: float = Field(ge=0, le=1)
    box_xyxy: tuple[float, float, float, float] = Field(description="px, right and bottom edges exclusive.")
    area: int = Field(description="px.")
    mask: RunLengths | list[list[list[tuple[float, float]]]] | str = Field(
        description="rle: size and counts; polygon: polygons of rings of [x, y] px, outer ring first; png: a data URI."
    )


class PredictionAnswer(_Answer):
    """The answer to one instruction."""

    instruction: str
    status: Literal["ok", "no_target", "saturated", "truncated", "malformed"]
    remark: str = Field(description="One sentence on a status other than ok and no_target.")
    text: str = Field(description="The reply of the language model.")
    phrases: list[str]
    mode: Literal["", "generate", "direct", "phrases"]
    num_queries: int | None = Field(description="Instances that the model can return per phrase.")
    notes: list[str] = Field(description="Conversions of the image.")
    width: int
    height: int
    instances: list[InstanceAnswer]
    overlay: str | None = Field(default=None, description="A data URI, if requested.")


class ImageAnswer(_Answer):
    """The predictions about one image, in the order of the instructions."""

    model: str
    predictions: list[PredictionAnswer]


class SegmentAnswer(ImageAnswer):
    """The answer about one image."""

    request_id: str
    milliseconds: float


class EntryError(_Answer):
    """An image of a batch that failed."""

    error: EntryErrorFacts


class BatchAnswer(_Answer):
    """One entry per image, in order."""

    results: list[ImageAnswer | EntryError]
    request_id: str
    milliseconds: float


class ModelAnswer(_Answer):
    """A served model; fields other than its name are empty while it loads."""

    name: str
    fingerprint: str
    default_mode: str
    score_threshold: float
    num_queries: int | None
    facts: dict[str, Any]


class ModelsAnswer(_Answer):
    """The served models, the default one first."""

    models: list[ModelAnswer]
