"""Options of export formats: a format declares its own as a subclass of `ExportOptions` named `Options`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from instructsam.errors import InputError
from instructsam.structures.checks import describe
from instructsam.structures.validation import first_fault

Tolerance = Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)]
"""Largest distance in px between a simplified outline and the exact one; 0 keeps every pixel edge."""


class ExportOptions(BaseModel):
    """Base of the options of a format: the fields are the options, their defaults apply when not given."""

    model_config = ConfigDict(frozen=True, extra="forbid")


OptionsT = TypeVar("OptionsT", bound=ExportOptions)


def parse_options(kind: type[OptionsT], format_name: str, given: Mapping[str, Any]) -> OptionsT:
    """Checked options of a format.

    Raises:
        InputError: an option is unknown or its value is unfit.
    """
    if unknown := [name for name in given if name not in kind.model_fields]:
        known = ", ".join(kind.model_fields) or "none"
        raise InputError(f"the format {format_name} has no option {unknown[0]!r:.60}; its options: {known}")
    try:
        return kind(**given)
    except ValidationError as error:
        fault = first_fault(error, kind, given)
        start = f"option {fault.place} of the format {format_name}"
        if fault.kind == "check":
            raise InputError(f"{start}: {fault.text}") from error
        if fault.kind == "missing":
            raise InputError(f"{start} is required") from error
        verb = "must " if fault.kind == "bounds" else "must be "
        raise InputError(f"{start} {verb}{fault.text}, got {describe(fault.value)}") from error
