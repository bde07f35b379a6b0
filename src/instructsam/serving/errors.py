"""Errors of the server, each with its HTTP status."""

from __future__ import annotations

from instructsam.errors import InputError, InstructSAMError


class RequestError(InputError):
    """A request that cannot be served; 400 unless a subclass states another status."""

    status = 400


class BodyError(RequestError):
    """The fields of a request are unknown, missing or of a wrong type."""

    status = 422


class KeyRequiredError(RequestError):
    """The key is missing or wrong."""

    status = 401


class ForbiddenError(RequestError):
    """The request comes from the page of another site, or names a host that this server is not."""

    status = 403


class UnknownModelError(RequestError):
    """No model of this name is served."""

    status = 404


class UnknownFileError(RequestError):
    """The page has no file of this name."""

    status = 404


class SlowClientError(RequestError):
    """The body did not arrive in time."""

    status = 408


class TooLargeError(RequestError):
    """A request above a limit of bytes, pixels, instructions or phrases."""

    status = 413


class MediaTypeError(RequestError):
    """The body has a content type or a compression that is not accepted."""

    status = 415


class BusyError(InstructSAMError):
    """The queue is full, or the server is not ready or about to stop.

    Attributes:
        retry_after: seconds after which to try again.
    """

    status = 503

    def __init__(self, message: str, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TimeLimitError(InstructSAMError):
    """The answer did not arrive within the time limit of a request."""

    status = 504


class OutOfMemoryError(TooLargeError):
    """Memory is not sufficient for a request, even alone."""
