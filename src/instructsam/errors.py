"""Exceptions: every error that a user can fix derives from `InstructSAMError`.

A message is one sentence that states what was expected, what was received and how to fix it.
"""

from __future__ import annotations

_LONGEST = 400  # characters; transformers lists every model type that it supports


def first_line(error: Exception) -> str:
    """The first line of another library's error, cut to a length that fits into a message."""
    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    return line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "..."


class InstructSAMError(Exception):
    """Base of every error that this package raises on purpose."""


class InputError(InstructSAMError, ValueError):
    """The caller's input cannot be used: a bad image, an empty instruction, a wrong shape."""


class ImageError(InputError):
    """An image cannot be read or is outside the accepted limits."""


class RecordError(InputError):
    """An Inst2Seg line is malformed; the message names file, line and field."""


class ConfigError(InputError):
    """A run configuration has an unknown key or a value of the wrong type."""


class CheckpointError(InstructSAMError):
    """A model folder is missing, incomplete or damaged."""


class MissingExtraError(InstructSAMError, ImportError):
    """An optional dependency is not installed; the message names the pip command."""


class ServiceError(InstructSAMError):
    """A server does not respond, refuses the request, or sends an unexpected response."""
