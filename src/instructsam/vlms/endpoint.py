"""A model on a server that speaks OpenAI's chat completions: URL, key, messages, and errors in one sentence.

Shared by the two clients. Keys never appear in a name, a message, a reply or a log.
"""

from __future__ import annotations

import base64
import importlib
import io
import logging
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from instructsam.errors import InputError, MissingExtraError, ServiceError
from instructsam.structures.checks import check_number, check_text
from instructsam.structures.secrets import Secrets, safe_url
from instructsam.vlms.protocol import Turn

if TYPE_CHECKING:
    from PIL import Image

_LOGGERS = ("openai._base_client", "httpx", "httpx2")  # they log URLs
_LONGEST = 300  # characters of an error that a message repeats


class Endpoint:
    """The URL, model and key of one client.

    Attributes:
        model, base_url, timeout: checked; the URL is the one to show.
        package: the module `openai`.
    """

    def __init__(
        self,
        model: str,
        base_url: str,
        api_key: str | None,
        timeout: float,
        key_variable: str = "OPENAI_API_KEY",
        extra: str = "annotate",
    ) -> None:
        """Nothing is sent.

        Args:
            model, base_url, api_key, timeout: see `VLMClient`.
            key_variable: environment variable with the key where `api_key` is None.
            extra: of this package, which a missing openai package needs.

        Raises:
            InputError: the URL is invalid, or a number is out of range.
            MissingExtraError: the openai package is not installed.
        """
        for name, value in (("base_url", base_url), ("api_key", api_key)):
            if value is not None and not isinstance(value, str):  # the value may be a key: it is not shown
                raise InputError(f"{name} must be text, got {type(value).__name__}")
        shown = safe_url(check_text(base_url, "base_url"))
        if not base_url.startswith(("http://", "https://")) or not base_url.isprintable():
            raise InputError(
                f"a server's URL must begin with http:// or https://, got {shown!r}; "
                "write e.g. http://localhost:8000/v1"
            )
        if not check_text(model, "model").strip():
            raise InputError("model is empty: give the name of a model on the server")
        self.model, self.base_url = model, shown
        self.timeout = check_number(timeout, "timeout (seconds)", 1e-3, 1e6)
        self.key_variable = key_variable
        self.package = _openai(extra)
        key = (api_key or os.environ.get(key_variable) or "none").strip()
        if not (key.isascii() and key.isprintable()):
            raise InputError(f"the key for {shown} must be printable ASCII: set {key_variable} again")
        self._secrets = Secrets([key], base_url)
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(self._secrets)
        self._options: dict[str, Any] = {"api_key": key, "timeout": self.timeout}
        try:
            self._options["base_url"], self._options["default_query"] = _without_query(base_url)
        except ValueError as error:
            raise self._invalid(error) from None

    def open(self, client: Callable[..., Any], retries: int) -> Any:
        """An `openai.OpenAI` or `openai.AsyncOpenAI` for this server.

        Raises:
            InputError: it refuses the URL or the key.
        """
        try:
            return client(**self._options, max_retries=retries)
        except (ValueError, TypeError, UnicodeError, self.package.OpenAIError) as error:
            raise self._invalid(error) from None

    @property
    def name(self) -> str:
        """Model and server; never a key."""
        return self.redact(f"{self.model} at {self.base_url}")

    def redact(self, text: str) -> str:
        """`text` without the keys of this server."""
        return self._secrets.redact(text)

    def service_error(self, error: Exception, tries: int) -> ServiceError:
        """The error of a request in one sentence; `error` is an `openai.OpenAIError` or a `ValueError`."""
        errors, server = self.package, self.base_url
        if isinstance(error, errors.APITimeoutError):
            return ServiceError(
                f"{server} gave no answer within {self.timeout:g} s in {tries} tries: allow more "
                "time, or see whether the server is busy"
            )
        if isinstance(error, errors.APIConnectionError):
            return ServiceError(f"{server} cannot be reached: start the server, or correct its URL")
        if isinstance(error, errors.AuthenticationError):
            return ServiceError(f"{server} refuses the key: set {self.key_variable} to one that it knows")
        if isinstance(error, errors.NotFoundError):
            return ServiceError(
                f"{server} knows no model {self.model!r} or is not a URL of this protocol (it often ends in "
                f"/v1): {self.one_line(error)}"
            )
        if isinstance(error, errors.APIStatusError):
            return ServiceError(f"{server} refuses with status {error.status_code}: {self.one_line(error)}")
        return ServiceError(f"{server} does not answer in the chat protocol: {self.one_line(error)}")

    def no_text(self) -> ServiceError:
        """The error of an answer without text."""
        return ServiceError(
            f"{self.base_url} replied without text (no choices[0].message.content): is it a chat model?"
        )

    def one_line(self, error: Exception) -> str:
        """The message of an error in one line, without keys and control characters."""
        text = self.redact(str(error)).strip() or type(error).__name__
        plain = "".join(letter if letter.isprintable() else " " for letter in text.splitlines()[0])
        return plain if len(plain) <= _LONGEST else plain[: _LONGEST - 3] + "..."

    def _invalid(self, error: Exception) -> InputError:
        return InputError(
            f"the URL or the key of {self.base_url} is invalid ({self.one_line(error)}); "
            "write e.g. http://localhost:8000/v1"
        )


def messages(turns: Sequence[Turn], picture_url: Callable[[Image.Image], str]) -> list[dict[str, Any]]:
    """The messages of a conversation; pictures precede the text of their turn."""
    return [{"role": turn.role, "content": _content(turn, picture_url)} for turn in turns]


def first_choice(answer: Any) -> Any:
    """The first choice of a completion; None where the server sent something else."""
    choices: Any = getattr(answer, "choices", None) or [None]
    return choices[0]


def png_url(image: Image.Image) -> str:
    """The image as a PNG inside a data URL, which every server accepts."""
    stream = io.BytesIO()
    image.convert("RGB").save(stream, format="PNG")
    return data_url("png", stream.getvalue())


def data_url(kind: str, content: bytes) -> str:
    """A data URL of an encoded picture, `kind` being png or jpeg."""
    return f"data:image/{kind};base64," + base64.b64encode(content).decode("ascii")


def _content(turn: Turn, picture_url: Callable[[Image.Image], str]) -> str | list[dict[str, Any]]:
    if not turn.images:
        return turn.text
    pictures = [{"type": "image_url", "image_url": {"url": picture_url(image)}} for image in turn.images]
    return [*pictures, {"type": "text", "text": turn.text}]


def _without_query(url: str) -> tuple[str, dict[str, str]]:
    """A base URL and its query: paths are appended to the URL, the query goes with every request."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(query="", fragment="")), dict(parse_qsl(parts.query))


def _openai(extra: str) -> Any:
    try:
        return importlib.import_module("openai")
    except ImportError as error:
        raise MissingExtraError(
            f"a model behind a server needs the openai package: pip install 'instructsam[{extra}]'"
        ) from error
