"""The ablation variants: one line each."""

from __future__ import annotations

from typing import Any

from instructsam.errors import ConfigError
from instructsam.model.variants.base import Variant
from instructsam.model.variants.causal_attention import CausalAttention
from instructsam.model.variants.no_projectors import NoProjectors
from instructsam.model.variants.token_as_mask import TokenAsMask
from instructsam.model.variants.token_per_instance import TokenPerInstance

METHOD = Variant()
METHOD_VALUES: dict[str, str | bool] = {
    "instance_form": "queries",
    "query_attention": "hybrid",
    "projectors": True,
}
VARIANTS: dict[str, Variant] = {
    "token_as_mask": TokenAsMask(),
    "token_per_instance": TokenPerInstance(),
    "causal_attention": CausalAttention(),
    "no_projectors": NoProjectors(),
}


def choices(field: str) -> tuple[str | bool, ...]:
    """Values of a field of `InstructSAMConfig`, that of the method first."""
    return (METHOD_VALUES[field], *(known.value for known in VARIANTS.values() if known.field == field))


def variant(field: str, value: object) -> Variant:
    """The variant that a value of a field chooses; `METHOD` for that of the method.

    Raises:
        ConfigError: the field has no such value.
    """
    if value == METHOD_VALUES[field]:
        return METHOD
    for known in VARIANTS.values():
        if (known.field, known.value) == (field, value):
            return known
    raise ConfigError(f"{field} must be one of {', '.join(map(str, choices(field)))}, got {value!r}")


def check_variants(config: Any) -> None:
    """Refuse an `InstructSAMConfig` with an unknown variant, or with sizes that its variants cannot have.

    Raises:
        ConfigError: which field, and how to change it.
    """
    for field in METHOD_VALUES:
        variant(field, getattr(config, field)).check(config)
