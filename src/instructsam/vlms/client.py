"""A vision-language model behind a server that speaks OpenAI's chat completions (vLLM, `transformers serve`, ...)."""

from __future__ import annotations

from collections.abc import Sequence

from instructsam.structures.checks import check_count
from instructsam.vlms.endpoint import Endpoint, first_choice, messages, png_url
from instructsam.vlms.protocol import Turn, VLMReply


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
        self._endpoint = Endpoint(model, base_url, api_key, timeout)
        self.model, self.base_url = self._endpoint.model, self._endpoint.base_url
        self.timeout, self.retries = self._endpoint.timeout, check_count(retries, "retries", low=0)
        self._client = self._endpoint.open(self._endpoint.package.OpenAI, self.retries)

    @property
    def name(self) -> str:
        """Model and server; never a key."""
        return self._endpoint.name

    def reply(self, turns: Sequence[Turn], max_new_tokens: int) -> VLMReply:
        """The next turn of the assistant.

        Raises:
            ServiceError: the server is unreachable, too slow, refuses, or replies without text.
        """
        endpoint = self._endpoint
        try:
            answer = self._client.chat.completions.create(
                model=self.model,
                messages=messages(turns, png_url),
                max_tokens=max_new_tokens,
                temperature=0.0,
            )
        except (endpoint.package.OpenAIError, ValueError) as error:
            raise endpoint.service_error(error, self.retries + 1) from None
        choice = first_choice(answer)
        text = getattr(getattr(choice, "message", None), "content", None)
        if not isinstance(text, str):
            raise endpoint.no_text()
        return VLMReply(endpoint.redact(text), cut=choice.finish_reason == "length")
