"""A vision-language model behind a server that speaks OpenAI's chat completions (vLLM, `transformers serve`, ...)."""

from __future__ import annotations

import base64
import importlib
import io
import logging
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from instructsam.errors import InputError, MissingExtraError, ServiceError
from instructsam.structures.checks import check_count, check_number, check_text
from instructsam.structures.secrets import Secrets, safe_url
from instructsam.vlms.protocol import Turn, VLMReply

if TYPE_CHECKING:
    from PIL import Image

_LOGGERS = ("openai._base_client", "httpx", "httpx2")  # they log URLs
_LONGEST = 300  # characters of an error that a message repeats


class VLMClient:
    """A VLM on a server; failures that may pass are retried, then reported in one sentence."""

    def __init__(
        self, model: str, base_url: str, api_key: str | None = None, timeout: float = 120.0, retries: int = 2
    ) -> None:
        """Nothing is sent before the first `reply`; keys never appear in a name, a message, a reply or a log.

        Args:
            model: the model's name on the server.
            base_url: such as "http://localhost:8000/v1"; user, password and query, if any, go with every request.
            api_key: None takes the environment's OPENAI_API_KEY; local servers usually need none.
            timeout: seconds per try.
            retries: further tries after a lost connection, a timeout, or a busy or failing server.

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
        timeout = check_number(timeout, "timeout (seconds)", 1e-3, 1e6)
        retries = check_count(retries, "retries", low=0)
        self.model, self.base_url, self.timeout, self.retries = model, shown, timeout, retries
        self._openai = _openai()
        key = (api_key or os.environ.get("OPENAI_API_KEY") or "none").strip()
        if not (key.isascii() and key.isprintable()):
            raise InputError(f"the key for {shown} must be printable ASCII: set OPENAI_API_KEY again")
        self._secrets = Secrets([key], base_url)
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(self._secrets)
        try:
            address, query = _without_query(base_url)
            self._client = self._openai.OpenAI(
                base_url=address, api_key=key, timeout=timeout, max_retries=retries, default_query=query
            )
        except (ValueError, TypeError, UnicodeError, self._openai.OpenAIError) as error:
            raise InputError(
                f"the URL or the key of {shown} is invalid ({self._one_line(error)}); write e.g. http://localhost:8000/v1"
            ) from None

    @property
    def name(self) -> str:
        """Model and server; never a key."""
        return self._secrets.redact(f"{self.model} at {self.base_url}")

    def reply(self, turns: Sequence[Turn], max_new_tokens: int) -> VLMReply:
        """The next turn of the assistant.

        Raises:
            ServiceError: the server is unreachable, too slow, refuses, or replies without text.
        """
        messages = [{"role": turn.role, "content": _content(turn)} for turn in turns]
        errors = self._openai
        try:
            answer = self._client.chat.completions.create(
                model=self.model, messages=messages, max_tokens=max_new_tokens, temperature=0.0
            )
        except errors.APITimeoutError:
            raise ServiceError(
                f"{self.base_url} gave no answer within {self.timeout:g} s in {self.retries + 1} tries: allow more "
                "time, or see whether the server is busy"
            ) from None
        except errors.APIConnectionError:
            raise ServiceError(
                f"{self.base_url} cannot be reached: start the server, or correct its URL"
            ) from None
        except errors.AuthenticationError:
            raise ServiceError(
                f"{self.base_url} refuses the key: set OPENAI_API_KEY to one that it knows"
            ) from None
        except errors.NotFoundError as error:
            raise ServiceError(
                f"{self.base_url} knows no model {self.model!r} or is not a URL of this protocol (it often ends in "
                f"/v1): {self._one_line(error)}"
            ) from None
        except errors.APIStatusError as error:
            raise ServiceError(
                f"{self.base_url} refuses with status {error.status_code}: {self._one_line(error)}"
            ) from None
        except (errors.OpenAIError, ValueError) as error:
            raise ServiceError(
                f"{self.base_url} does not answer in the chat protocol: {self._one_line(error)}"
            ) from None
        return self._parse(answer)

    def _parse(self, answer: Any) -> VLMReply:
        choices: Any = getattr(answer, "choices", None) or [None]
        text = getattr(getattr(choices[0], "message", None), "content", None)
        if not isinstance(text, str):
            raise ServiceError(
                f"{self.base_url} replied without text (no choices[0].message.content): is it a chat model?"
            )
        return VLMReply(self._secrets.redact(text), cut=choices[0].finish_reason == "length")

    def _one_line(self, error: Exception) -> str:
        """The message of an error in one line, without keys and control characters."""
        text = self._secrets.redact(str(error)).strip() or type(error).__name__
        plain = "".join(letter if letter.isprintable() else " " for letter in text.splitlines()[0])
        return plain if len(plain) <= _LONGEST else plain[: _LONGEST - 3] + "..."


def _without_query(url: str) -> tuple[str, dict[str, str]]:
    """A base URL and its query: paths are appended to the URL, the query goes with every request."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(query="", fragment="")), dict(parse_qsl(parts.query))


def _openai() -> Any:
    try:
        return importlib.import_module("openai")
    except ImportError as error:
        raise MissingExtraError(
            "a model behind a server needs the openai package: pip install 'instructsam[annotate]'"
        ) from error


def _content(turn: Turn) -> str | list[dict[str, Any]]:
    if not turn.images:
        return turn.text
    pictures = [{"type": "image_url", "image_url": {"url": data_url(image)}} for image in turn.images]
    return [*pictures, {"type": "text", "text": turn.text}]


def data_url(image: Image.Image) -> str:
    """The image as a PNG inside a data URL, which every server accepts."""
    stream = io.BytesIO()
    image.convert("RGB").save(stream, format="PNG")
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
