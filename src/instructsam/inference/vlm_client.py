"""A vision-language model behind a server that speaks OpenAI's chat completions (vLLM, `transformers serve`, ...)."""

from __future__ import annotations

import base64
import importlib
import io
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from instructsam.errors import InputError, MissingExtraError, ServiceError, first_line
from instructsam.inference.vlm import Turn, VLMReply

if TYPE_CHECKING:
    from PIL import Image


class VLMClient:
    """Asks a server; every failure that a repeat may mend is repeated, then said in one sentence."""

    def __init__(
        self, model: str, base_url: str, api_key: str | None = None, timeout: float = 120.0, retries: int = 2
    ) -> None:
        """Nothing is sent before the first `reply`.

        Args:
            model: what the server calls the model.
            base_url: such as "http://localhost:8000/v1".
            api_key: None takes the environment's OPENAI_API_KEY; servers of one's own want none.
            timeout: seconds until an answer must have come, for each try.
            retries: further tries after a lost connection, a timeout, or a busy or failing server.

        Raises:
            InputError: the address is none, or a number is out of range.
            MissingExtraError: the openai package is not installed.
        """
        if not base_url.startswith(("http://", "https://")):
            raise InputError(
                f"a server's address must begin with http:// or https://, got {base_url!r}; "
                "write e.g. http://localhost:8000/v1"
            )
        if not model.strip():
            raise InputError("the server must be told which model to run: give the name that it serves")
        if timeout <= 0 or retries < 0:
            raise InputError(
                f"timeout must be positive and retries at least 0, got {timeout} s and {retries}"
            )
        self.model, self.base_url, self.timeout, self.retries = model, base_url, timeout, retries
        self._openai = _openai()
        key = api_key or os.environ.get("OPENAI_API_KEY") or "none"
        self._client = self._openai.OpenAI(
            base_url=base_url, api_key=key, timeout=timeout, max_retries=retries
        )

    @property
    def name(self) -> str:
        """Model and server."""
        return f"{self.model} at {self.base_url}"

    def reply(self, turns: Sequence[Turn], max_new_tokens: int) -> VLMReply:
        """The next turn of the assistant.

        Raises:
            ServiceError: the server cannot be reached, is too slow, refuses, or answers without words.
        """
        messages = [{"role": turn.role, "content": _content(turn)} for turn in turns]
        errors = self._openai
        try:
            answer = self._client.chat.completions.create(
                model=self.model, messages=messages, max_tokens=max_new_tokens, temperature=0.0
            )
        except errors.APITimeoutError as error:
            raise ServiceError(
                f"{self.base_url} gave no answer within {self.timeout:g} s in {self.retries + 1} tries: allow more "
                "time, or see whether the server is busy"
            ) from error
        except errors.APIConnectionError as error:
            raise ServiceError(
                f"{self.base_url} cannot be reached: start the server, or correct its address"
            ) from error
        except errors.AuthenticationError as error:
            raise ServiceError(
                f"{self.base_url} refuses the key: set OPENAI_API_KEY to one that it knows"
            ) from error
        except errors.NotFoundError as error:
            raise ServiceError(
                f"{self.base_url} knows no model {self.model!r} or is no address of this protocol (it often ends in "
                f"/v1): {first_line(error)}"
            ) from error
        except errors.APIStatusError as error:
            raise ServiceError(
                f"{self.base_url} refuses with status {error.status_code}: {first_line(error)}"
            ) from error
        except (errors.OpenAIError, ValueError) as error:
            raise ServiceError(
                f"{self.base_url} does not answer in the chat protocol: {first_line(error)}"
            ) from error
        return self._read(answer)

    def _read(self, answer: Any) -> VLMReply:
        choices: Any = getattr(answer, "choices", None) or [None]
        text = getattr(getattr(choices[0], "message", None), "content", None)
        if not isinstance(text, str):
            raise ServiceError(
                f"{self.base_url} answered without words (no choices[0].message.content): is it a chat model?"
            )
        return VLMReply(text, cut=choices[0].finish_reason == "length")


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
    """The picture itself as a PNG inside an address, which every server reads."""
    stream = io.BytesIO()
    image.convert("RGB").save(stream, format="PNG")
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
