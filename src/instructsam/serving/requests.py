"""Bodies of our own routes: JSON with images in base64, or forms with files. Unknown fields are refused."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from instructsam.errors import InputError
from instructsam.serving.answers import MaskFormat
from instructsam.serving.errors import BodyError, MediaTypeError, RequestError
from instructsam.serving.settings import Limits
from instructsam.structures.answering import Mode
from instructsam.structures.checks import parse_json, shorten
from instructsam.structures.validation import first_fault

_FIELD_BYTES = 64 * 1024  # of a field of a form that is not a file
_OTHER_FIELDS = 16  # of a form, besides instructions and phrases
_LISTS = ("instructions", "phrases")
_NUMBERS = ("score_threshold", "tolerance", "overlay")  # and true or false


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


Texts = Annotated[tuple[str, ...], BeforeValidator(_listed, json_schema_input_type=list[str] | str)]


class SegmentOptions(BaseModel):
    """The fields of a request besides its images."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    instructions: Annotated[Texts, Field(description="One prediction each; one text or a list.")] = ()
    phrases: Annotated[
        Texts | None,
        Field(description="Target phrases in place of those that the model writes: one prediction."),
    ] = None
    mode: Annotated[
        Mode,
        Field(description="generate: the model writes the phrases; direct: the instruction is the phrase."),
    ] = "auto"
    score_threshold: Annotated[
        float | None,
        Field(ge=0, le=1, description="Minimum score of an instance; the model's default if null."),
    ] = None
    model: Annotated[str | None, Field(description="Name of a served model; the first one if null.")] = None
    masks: Annotated[
        MaskFormat, Field(description="rle: COCO's compressed run lengths; polygon: rings; png: data URI.")
    ] = "rle"
    tolerance: Annotated[
        float, Field(ge=0, le=100, description="Largest error of polygons, px; 0 keeps every corner.")
    ] = 1.0
    overlay: Annotated[
        bool, Field(description="Add the image with its instances drawn, as PNG data URI.")
    ] = False


class SegmentRequest(SegmentOptions):
    """One image, and instructions or phrases about it."""

    image: Annotated[
        str,
        Field(
            description="Content of an image file in base64 or as data URI; or a URL, where the server allows its host."
        ),
    ]


class BatchRequest(BaseModel):
    """Several images, each with its own instructions."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    requests: Annotated[tuple[SegmentRequest, ...], Field(min_length=1)]


M = TypeVar("M", bound=BaseModel)


def parse_body(cls: type[M], body: bytes) -> M:
    """The JSON body of a request.

    Raises:
        RequestError: it is not JSON (400).
        BodyError: a field is unknown, missing or of a wrong type (422).
    """
    try:
        return cls.model_validate_json(body)
    except ValidationError as error:
        if error.errors(include_url=False, include_input=False)[0]["type"] == "json_invalid":
            raise RequestError(f"the body is not JSON: {error.errors()[0]['ctx']['error']}") from error
        raise _body_error(error, cls, _document(body)) from error


async def parse_form(request: Request, limits: Limits) -> tuple[list[bytes], SegmentOptions]:
    """The files named `image`, and the other fields, of a multipart form.

    Raises:
        RequestError: it is not a form, or has too many parts (400).
        BodyError: a field is unknown, missing, repeated or of a wrong type (422).
    """
    form = await _form(request.headers, request.stream(), limits)
    try:
        images = [await image.read() for image in form.getlist("image") if isinstance(image, UploadFile)]
        values = {name: _field(form, name) for name in form if name != "image"}
    finally:
        await form.close()
    if not images or len(images) < len(form.getlist("image")):
        raise BodyError("image must be a file: send every image as a file part of this name")
    try:
        return images, SegmentOptions.model_validate(values)
    except ValidationError as error:
        raise _body_error(error, SegmentOptions, values) from error


def _field(form: FormData, name: str) -> object:
    """The text of a field, or its texts."""
    items = form.getlist(name)
    if any(isinstance(item, UploadFile) for item in items):
        raise BodyError(f"{shorten(name)} must be text, got a file: send the image as the file part image")
    if name in _LISTS:
        return items
    if len(items) > 1:
        raise BodyError(f"{shorten(name)} must be sent once, got {len(items)} times")
    text = str(items[0])
    if name not in _NUMBERS:
        return text
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text  # which the type of the field refuses
    return text if value is None else value


def body_kind(request: Request) -> str:
    """ "json" or "form", by the content type.

    Raises:
        MediaTypeError: any other.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        return "json"
    if kind == "multipart/form-data":
        return "form"
    raise MediaTypeError(
        f"the content type must be application/json or multipart/form-data, got {shorten(kind) if kind else 'none'}"
    )


async def _form(headers: Headers, stream: AsyncIterator[bytes], limits: Limits) -> FormData:
    fields = limits.max_instructions + limits.max_phrases + _OTHER_FIELDS
    parser = MultiPartParser(
        headers,
        stream,  # type: ignore[arg-type] # any iterator works
        max_files=limits.max_images,
        max_fields=fields,
        max_part_size=_FIELD_BYTES,
    )
    parser.spool_max_size = limits.max_bytes + 1  # bodies are bounded: nothing is written to disk
    try:
        return await parser.parse()
    except MultiPartException as error:
        raise RequestError(f"the body is not a valid multipart form: {error.message}") from error
    except UnicodeError as error:  # of an odd charset, which the parser passes on
        raise RequestError(
            "the text of the form does not have the charset that its content type states"
        ) from error


def _document(body: bytes) -> object:
    try:
        return parse_json(body, "the body")
    except InputError:
        return None


def _body_error(error: ValidationError, cls: type[BaseModel], document: object) -> BodyError:
    fault = first_fault(error, cls, document)
    if fault.kind == "unknown":
        return BodyError(f"unknown field {fault.place}; {fault.text}")
    if fault.kind == "missing":
        return BodyError(f"the field {fault.place} is missing")
    verb = "must" if fault.kind == "bounds" else "must be"
    return BodyError(f"{fault.place or 'the body'} {verb} {fault.text}, got {shorten(fault.value)}")
