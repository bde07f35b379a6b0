"""Differences between servers of the chat protocol: the options that one of them refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

Structure = Literal["json_schema", "json_object", "text"]
_LOWER: dict[Structure, Structure] = {"json_schema": "json_object", "json_object": "text"}


@dataclass(frozen=True)
class Shape:
    """The JSON schema of a reply, and its name: letters and underscores."""

    schema: Mapping[str, Any]
    name: str


@dataclass(frozen=True)
class Dialect:
    """Options that a server accepts.

    Attributes:
        structure: how a reply's JSON schema is requested; without json_schema the schema is in the text as well.
        limit: name of the field with the greatest number of tokens.
        temperature, seed: whether they are sent.
    """

    structure: Structure = "json_schema"
    limit: str = "max_tokens"
    temperature: bool = True
    seed: bool = True

    def options(
        self, max_tokens: int, temperature: float, seed: int | None, shape: Shape | None
    ) -> dict[str, Any]:
        """The fields of a request beside its model and messages."""
        found: dict[str, Any] = {self.limit: max_tokens}
        if self.temperature:
            found["temperature"] = temperature
        if self.seed and seed is not None:
            found["seed"] = seed
        if shape is not None and self.structure == "json_object":
            found["response_format"] = {"type": "json_object"}
        if shape is not None and self.structure == "json_schema":
            schema = {"name": shape.name, "schema": shape.schema, "strict": _is_strict(shape.schema)}
            found["response_format"] = {"type": "json_schema", "json_schema": schema}
        return found

    def hint(self, shape: Shape | None) -> str:
        """Text that replaces what the server does not enforce; "" where it does."""
        if shape is None or self.structure == "json_schema":
            return ""
        return f"\n\nReply with one JSON object of this schema and nothing else:\n{json.dumps(shape.schema)}"

    def alternatives(self, message: str) -> Iterator[Dialect]:
        """Dialects to try after a request was refused with this message, the most probable first."""
        lower = message.lower()
        if self.limit == "max_tokens" and "max_completion_tokens" in lower:
            yield replace(self, limit="max_completion_tokens")
        if self.temperature and "temperature" in lower:
            yield replace(self, temperature=False)
        if self.seed and "seed" in lower:
            yield replace(self, seed=False)
        if self.structure in _LOWER:
            yield replace(self, structure=_LOWER[self.structure])

    def describe(self) -> str:
        """The difference from the full protocol, for a note."""
        missing = [name for name in ("temperature", "seed") if not getattr(self, name)]
        if self.structure != "json_schema":
            missing.insert(0, "JSON schemas" if self.structure == "json_object" else "structured output")
        if self.limit != "max_tokens":
            missing.append("max_tokens (max_completion_tokens is sent)")
        return ", ".join(missing)


def _is_strict(schema: Any) -> bool:
    """Whether a schema meets the rule of OpenAI's strict mode: objects list every property as required."""
    if isinstance(schema, Mapping):
        if schema.get("type") == "object":
            closed = schema.get("additionalProperties") is False
            if not closed or set(schema.get("required", ())) != set(schema.get("properties", ())):
                return False
        return all(_is_strict(value) for value in schema.values())
    return not isinstance(schema, list) or all(_is_strict(value) for value in schema)
