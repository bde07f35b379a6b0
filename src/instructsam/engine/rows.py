"""Rows: images with their objects, the input of every stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pydantic import TypeAdapter

from instructsam.data.record import ImageRef, InstanceRecord
from instructsam.engine.digests import digest


@dataclass(frozen=True)
class ImageRow:
    """One image with its objects.

    Attributes:
        id: unique within a run.
        image: relative to the folder of the run's images.
        instances: the objects, which pictures and prompts number from 1 in this order.
        source: name of the source, for provenance.
        licence: of the image, "" if unknown.
        meta: facts of the source, such as {"scene_seed": 7} of a drawn scene.
    """

    id: str
    image: ImageRef
    instances: tuple[InstanceRecord, ...] = ()
    source: str = ""
    licence: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def digest(self) -> str:
        """Differs between rows with different content; provenance is none, since no question and decision shows it."""
        return digest({**row_to_dict(self), **_NO_PROVENANCE})


# Values of drawn scenes, whose replies depend on this digest: the tables of docs/engine_quality.md hold.
_NO_PROVENANCE = {"source": "world", "licence": "CC0-1.0"}
_ROW: TypeAdapter[ImageRow] = TypeAdapter(ImageRow)


def row_to_dict(row: ImageRow) -> dict[str, Any]:
    """The JSON object of a row; `parse_row` reads it back."""
    found: dict[str, Any] = _ROW.dump_python(row, mode="json", exclude_none=True)
    return found


def parse_row(line: bytes) -> ImageRow:
    """A row from a line of JSON that `row_to_dict` made."""
    return _ROW.validate_json(line)
