"""The responder of a run: a vision-language model behind a server, with limits, retries, budget and spending log."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import replace

from instructsam.engine.runners.budget import Budget
from instructsam.engine.runners.limits import Limiter
from instructsam.engine.runners.spending import SpendingLog
from instructsam.engine.runners.stop import Stop
from instructsam.engine.settings.vlm import VLMSettings
from instructsam.engine.stages.base import Correction, Pictures, Question, Reply, VLMStage
from instructsam.engine.tasks import NO_USAGE, Task, Usage
from instructsam.errors import ServiceError
from instructsam.vlms.async_client import AsyncVLMClient, ChatReply, TemporaryError
from instructsam.vlms.dialect import Shape
from instructsam.vlms.json_objects import plain
from instructsam.vlms.protocol import Turn

_LOG = logging.getLogger(__name__)
_FIRST_DELAY, _LONGEST_DELAY = 0.5, 60.0  # seconds
_QUOTED = 4000  # characters of a broken reply that are sent back
CORRECTION = (
    "This reply cannot be used: {problem}\nAnswer the question above again, with the JSON object alone."
)


class ServedResponder:
    """A model on a server. It belongs to one event loop: make one for each run."""

    def __init__(
        self,
        client: AsyncVLMClient,
        settings: VLMSettings,
        limiter: Limiter,
        budget: Budget,
        stop: Stop,
        note: Callable[[str], None] = _LOG.warning,
    ) -> None:
        """See `open_responder`."""
        self._client, self._settings = client, settings
        self._limiter, self._budget, self._stop, self._note = limiter, budget, stop, note
        self._counts_tokens = True

    @property
    def name(self) -> str:
        """Model and server; no keys."""
        return self._client.name

    async def close(self) -> None:
        """Close its connections."""
        await self._client.close()

    async def check(self) -> None:
        """Ask the server for its models, before a run.

        Raises:
            ServiceError: it is unreachable, refuses the key, or lists other models.
        """
        names = await self._client.models()
        if names and self._settings.model not in names:
            shown = ", ".join(repr(name[:80]) for name in names[:8])
            raise ServiceError(
                f"{self.name}: the server knows no such model; it has {shown}: correct `model` in the configuration"
            )

    async def reply(
        self, stage: VLMStage, task: Task, pictures: Pictures, correction: Correction | None
    ) -> Reply:
        """The reply to the stage's question; see `stages.base.Responder`.

        Raises:
            ServiceError: there is no reply, after all retries.
            RunStoppedError: the run stops.
        """
        async with self._limiter.slot():
            loop = asyncio.get_running_loop()
            question = await loop.run_in_executor(None, stage.question, task, pictures)
            turns = [*question.turns, *_correction_turns(correction)]
            found = await self._ask(stage.name, replace(question, turns=turns), correction is not None)
        return found

    async def _ask(self, stage: str, question: Question, correction: bool) -> Reply:
        most = Usage(estimate_tokens(question.turns), question.max_tokens)
        for attempt in range(self._settings.retries + 1):
            async with self._budget.reserve(most):
                sent_at = await self._limiter.admit(most.input_tokens + most.output_tokens)
                usage, ok, estimated = NO_USAGE, False, False
                try:
                    answer = await self._send(question)
                    usage, ok = Usage(answer.input_tokens, answer.output_tokens), True
                    if not answer.input_tokens:
                        usage, estimated = self._estimate(most, answer), True
                    self._limiter.succeeded()
                    return Reply(answer.text, usage, answer.cut, answer.refused)
                except TemporaryError as error:
                    failure = error
                    if error.processed:
                        usage, estimated = Usage(most.input_tokens), True
                except asyncio.CancelledError:  # a second Ctrl-C: the server may charge for the call
                    usage, estimated = most, True
                    raise
                finally:
                    self._limiter.correct(sum_tokens(most), sum_tokens(usage))
                    self._budget.spend(stage, usage, ok=ok, estimated=estimated, correction=correction)
            if attempt < self._settings.retries:
                await self._wait(failure, attempt, sent_at)
        raise ServiceError(f"{failure} (in {self._settings.retries + 1} tries)")

    async def _send(self, question: Question) -> ChatReply:
        return await self._client.reply(
            question.turns,
            question.max_tokens,
            question.temperature,
            question.seed,
            Shape(question.schema, question.schema_name),
        )

    async def _wait(self, failure: TemporaryError, attempt: int, sent_at: float) -> None:
        """Wait before the next try; where the server is busy, all requests to it wait."""
        delay = min(_LONGEST_DELAY, _FIRST_DELAY * 2**attempt) * random.uniform(0.5, 1.0)
        if failure.retry_after is not None:
            delay = failure.retry_after + random.uniform(0, 0.1 * _FIRST_DELAY)
        if failure.busy:
            self._limiter.slow_down(delay, sent_at)
        else:
            await self._stop.sleep(delay)

    def _estimate(self, most: Usage, answer: ChatReply) -> Usage:
        """The tokens of an answer without usage."""
        if self._counts_tokens:
            self._counts_tokens = False
            self._note(f"{self.name} reports no usage: tokens and costs are estimates")
        return Usage(most.input_tokens, min(most.output_tokens, text_tokens(answer.text)))


def open_responder(
    settings: VLMSettings,
    log: SpendingLog,
    stop: Stop,
    group: str = "vlm",
    note: Callable[[str], None] = _LOG.warning,
) -> ServedResponder:
    """The responder of a group of settings; nothing is sent.

    Args:
        settings: of the server.
        log: of the run.
        stop: of the run.
        group: name of the group of settings, for messages.
        note: receives sentences about features that the server lacks, each once.

    Raises:
        InputError, MissingExtraError: see `VLMClient`.
    """
    client = AsyncVLMClient(
        settings.model, settings.url, settings.key_variable, settings.timeout, settings.pictures, note
    )
    limiter = Limiter(settings.concurrency, settings.requests_per_minute, settings.tokens_per_minute, stop)
    return ServedResponder(client, settings, limiter, Budget(log, settings, stop, group), stop, note)


def estimate_tokens(turns: Sequence[Turn]) -> int:
    """Tokens of a conversation, roughly: a patch of 28 px for a token, and 4 bytes of text."""
    pixels = sum(image.width * image.height for turn in turns for image in turn.images)
    return pixels // 784 + sum(text_tokens(turn.text) + 8 for turn in turns)


def text_tokens(text: str) -> int:
    """Tokens of a text, roughly."""
    return len(text.encode("utf-8", errors="replace")) // 4 + 1


def sum_tokens(usage: Usage) -> int:
    """Tokens in both directions."""
    return usage.input_tokens + usage.output_tokens


def _correction_turns(correction: Correction | None) -> list[Turn]:
    """The broken reply and its fault."""
    if correction is None:
        return []
    reply = plain(correction.reply[:_QUOTED])
    earlier = [Turn("assistant", reply)] if reply.strip() else []
    return [*earlier, Turn("user", plain(CORRECTION.format(problem=correction.problem)))]
