"""A vision-language model behind a server, for many requests at a time: one try per call, with JSON schema and usage.

The caller repeats a try that ended in a `TemporaryError`; see `engine.runners.server`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from time import time
from typing import Any

from instructsam.errors import ServiceError
from instructsam.vlms.dialect import Dialect, Shape
from instructsam.vlms.endpoint import Endpoint, first_choice, messages
from instructsam.vlms.picture_urls import Format, PictureUrls
from instructsam.vlms.protocol import Turn

_LOG = logging.getLogger(__name__)
_BUSY = (429, 503, 529)
_TEMPORARY = (408, 409, *_BUSY)
_REFUSED_OPTION = (400, 422)
_PERMANENT_CODES = ("insufficient_quota", "billing_hard_limit_reached")
LONGEST_WAIT = 900.0  # seconds; a server that demands more is given up


class TemporaryError(ServiceError):
    """A failure that may pass.

    Attributes:
        busy: whether the server receives too many requests; all of them should wait.
        processed: whether the request may have been processed, and charged, though no answer arrived.
        retry_after: seconds that the server asks to wait; None if it does not.
    """

    def __init__(
        self, message: str, busy: bool = False, processed: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.busy, self.processed, self.retry_after = busy, processed, retry_after


@dataclass(frozen=True)
class ChatReply:
    """A reply of the model.

    Attributes:
        text: the reply, or the words with which the model declined.
        cut: whether it reached the limit of tokens.
        refused: whether the model or a filter of the server declined.
        input_tokens, output_tokens: 0 where the server does not count.
    """

    text: str
    cut: bool = False
    refused: bool = False
    input_tokens: int = 0
    output_tokens: int = 0


class AsyncVLMClient:
    """A VLM on a server. Options that it refuses are left out from then on, with one note."""

    def __init__(
        self,
        model: str,
        base_url: str,
        key_variable: str = "OPENAI_API_KEY",
        timeout: float = 120.0,
        pictures: Format = "auto",
        note: Callable[[str], None] = _LOG.warning,
    ) -> None:
        """Nothing is sent before the first `reply`; keys never appear in a name, a message, a reply or a log.

        Args:
            model, base_url, timeout: see `VLMClient`.
            key_variable: environment variable with the key; local servers usually need none.
            pictures: their format, see `PictureUrls`.
            note: receives a sentence about options that the server refuses.

        Raises:
            InputError, MissingExtraError: see `VLMClient`.
        """
        self._endpoint = Endpoint(model, base_url, None, timeout, key_variable, "engine")
        self._client = self._endpoint.open(self._endpoint.package.AsyncOpenAI, 0)
        self._picture_url = PictureUrls(pictures)
        self._note = note
        self.dialect = Dialect()

    @property
    def name(self) -> str:
        """Model and server; never a key."""
        return self._endpoint.name

    async def close(self) -> None:
        """Close its connections."""
        await self._client.close()

    async def models(self) -> list[str]:
        """The names of the server's models, to check a configuration before a run; none where it lists none.

        Raises:
            ServiceError: the server is unreachable or refuses.
        """
        try:
            page = await asyncio.wait_for(self._client.models.list(), self._endpoint.timeout)
            return [str(model.id) for model in page.data]
        except self._endpoint.package.NotFoundError:
            return []
        except (self._endpoint.package.OpenAIError, ValueError, TypeError, AttributeError) as error:
            raise self._endpoint.service_error(error, 1) from None
        except asyncio.TimeoutError:
            raise self._too_slow() from None

    async def reply(
        self,
        turns: Sequence[Turn],
        max_tokens: int,
        temperature: float = 0.0,
        seed: int | None = None,
        shape: Shape | None = None,
    ) -> ChatReply:
        """The next turn of the assistant.

        Args:
            turns: the conversation.
            max_tokens: of the reply.
            temperature: 0 for the most probable reply.
            seed: for servers that take one.
            shape: of a reply in JSON; None for free text.

        Raises:
            TemporaryError: another try may succeed.
            ServiceError: none will: the server refuses the request, the key or the model.
        """
        content = await asyncio.get_running_loop().run_in_executor(None, messages, turns, self._picture_url)
        wanted: list[Dialect] = [self.dialect]
        refusal: Exception | None = None
        tried: set[Dialect] = set()
        while wanted:
            dialect = wanted.pop(0)
            if dialect in tried:
                continue
            tried.add(dialect)
            options = dialect.options(max_tokens, temperature, seed, shape)
            try:
                answer = await self._send(_with_hint(content, dialect.hint(shape)), options)
            except self._endpoint.package.APIStatusError as error:  # an option may be refused
                if error.code == "content_filter":
                    return ChatReply("", refused=True)
                refusal = refusal or error
                wanted = [*dialect.alternatives(str(error)), *wanted]
                continue
            self._adopt(dialect)
            return self._parse(answer)
        raise self._endpoint.service_error(refusal or ValueError("no answer"), 1)

    async def _send(self, content: list[dict[str, Any]], options: dict[str, Any]) -> Any:
        """One request; raises `openai.APIStatusError` only where an option may be the reason."""
        endpoint = self._endpoint
        # `chat.completions.create` sends the same, after twice the time: it walks through every message.
        body = {"model": endpoint.model, "messages": content, **options}
        completion = endpoint.package.types.chat.ChatCompletion
        request = self._client.post("/chat/completions", body=body, cast_to=completion)
        try:
            return await asyncio.wait_for(request, endpoint.timeout)
        except asyncio.TimeoutError:
            raise self._too_slow() from None
        except endpoint.package.APIStatusError as error:
            if error.status_code in _REFUSED_OPTION:
                raise
            raise self._status_error(error) from None
        except endpoint.package.APIConnectionError as error:  # time-outs are among them
            raise TemporaryError(str(endpoint.service_error(error, 1)), processed=True) from None
        except (endpoint.package.OpenAIError, ValueError) as error:
            raise TemporaryError(str(endpoint.service_error(error, 1)), processed=True) from None

    def _too_slow(self) -> TemporaryError:
        package = self._endpoint.package
        error = package.APITimeoutError(request=None)
        return TemporaryError(str(self._endpoint.service_error(error, 1)), processed=True)

    def _status_error(self, error: Any) -> ServiceError:
        status, found = error.status_code, self._endpoint.service_error(error, 1)
        wait = _retry_after(error.response.headers)
        permanent = status == 501 or error.code in _PERMANENT_CODES
        if permanent or not (status in _TEMPORARY or status >= 500):
            return found
        if wait is not None and wait > LONGEST_WAIT:
            return ServiceError(f"{found}; it asks to wait {wait:.0f} s: run again after that time to resume")
        return TemporaryError(str(found), busy=status in _BUSY, retry_after=wait)

    def _adopt(self, dialect: Dialect) -> None:
        """Keep a dialect that worked, with a note where it differs from the one before."""
        if dialect != self.dialect:
            self.dialect = dialect
            self._note(
                f"{self.name} does not accept {dialect.describe()}: requests are sent without, and replies are "
                "checked here"
            )

    def _parse(self, answer: Any) -> ChatReply:
        choice = first_choice(answer)
        message = getattr(choice, "message", None)
        finish = getattr(choice, "finish_reason", None)
        text, declined = getattr(message, "content", None), getattr(message, "refusal", None)
        refused = bool(declined) or finish == "content_filter"
        if refused or (finish == "length" and text is None):  # a thinking model that was cut while it thought
            text = declined or text or ""
        if not isinstance(text, str):
            raise TemporaryError(str(self._endpoint.no_text()), processed=True)
        reply = ChatReply(self._endpoint.redact(text), cut=finish == "length", refused=refused)
        usage = getattr(answer, "usage", None)
        counts = [_count(getattr(usage, name, None)) for name in ("prompt_tokens", "completion_tokens")]
        return replace(reply, input_tokens=counts[0], output_tokens=counts[1])


def _with_hint(content: list[dict[str, Any]], hint: str) -> list[dict[str, Any]]:
    """The messages with text after their last turn."""
    if not hint:
        return content
    *earlier, last = content
    parts = last["content"]
    parts = parts + hint if isinstance(parts, str) else [*parts, {"type": "text", "text": hint}]
    return [*earlier, {**last, "content": parts}]


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _retry_after(headers: Any) -> float | None:
    """Seconds of the header Retry-After, which is a number or a date."""
    text = headers.get("retry-after-ms")
    scale = 1e-3
    if text is None:
        text, scale = headers.get("retry-after"), 1.0
    if text is None:
        return None
    try:
        seconds = float(text) * scale
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - time()
        except ValueError:
            return None
    return max(0.0, seconds) if seconds == seconds else None
