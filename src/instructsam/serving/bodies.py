"""Bodies of requests: bounded in size, time and memory; and the end of requests whose client has left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from instructsam.serving.context import Context
from instructsam.serving.errors import BusyError, MediaTypeError, RequestError, SlowClientError, TooLargeError
from instructsam.serving.failures import describe_failure
from instructsam.serving.memory import reserve

BODY_SECONDS = 60.0  # until the whole body has arrived
WRITE_SECONDS = 60.0  # until the client has taken a part of the answer


class _ClientGoneError(Exception):
    """The client has left, or does not read its answer."""


class Bodies:
    """Middleware that receives the body before the routes run, and cancels them when the client leaves."""

    def __init__(self, app: ASGIApp, context: Context) -> None:
        self.app, self.context = app, context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        with self.context.memory.request():
            try:
                body = await self._receive_body(scope, receive)
            except (RequestError, BusyError) as error:
                answer = self.context.shapes.response(scope["path"], describe_failure(error))
                await answer(scope, receive, send)
            except _ClientGoneError:
                scope["state"]["client_left"] = True
            else:
                await self._answer(scope, body, receive, send)

    async def _receive_body(self, scope: Scope, receive: Receive) -> bytes:
        limit = self.context.limits.max_bytes
        headers = {name: value.strip() for name, value in scope["headers"]}
        if headers.get(b"content-encoding", b"identity").lower() not in (b"identity", b""):
            raise MediaTypeError("compressed bodies are not accepted: send the body without Content-Encoding")
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length[:20]) > limit:
            raise _too_large(limit)
        try:
            return await asyncio.wait_for(_read(receive, limit), BODY_SECONDS)
        except asyncio.TimeoutError as error:
            raise SlowClientError(f"the body must arrive within {BODY_SECONDS:g} seconds") from error

    async def _answer(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        async with _watched(receive) as left:
            complete = asyncio.Event()
            first: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

            async def receive_again() -> Message:
                if first:
                    return first.pop()
                gone: Message = await asyncio.shield(left)
                return gone

            async def send_in_time(message: Message) -> None:
                try:
                    await asyncio.wait_for(send(message), WRITE_SECONDS)
                except asyncio.TimeoutError as error:
                    raise _ClientGoneError from error
                if message["type"] == "http.response.body" and not message.get("more_body", False):
                    complete.set()

            run: asyncio.Future[Any] = asyncio.ensure_future(self.app(scope, receive_again, send_in_time))
            try:
                await asyncio.wait([run, left], return_when=asyncio.FIRST_COMPLETED)
                if not run.done() and not complete.is_set():
                    scope["state"]["client_left"] = True
                    run.cancel()
                await run
            except _ClientGoneError:
                scope["state"]["client_left"] = True
            except asyncio.CancelledError:
                if not run.cancelled():  # the server itself is cancelled
                    run.cancel()
                    raise
            finally:
                run.cancel()


@asynccontextmanager
async def _watched(receive: Receive) -> AsyncIterator[asyncio.Future[Any]]:
    """The message that the client has left, as it will arrive."""
    left: asyncio.Future[Any] = asyncio.ensure_future(receive())
    try:
        yield left
    finally:
        left.cancel()


async def _read(receive: Receive, limit: int) -> bytes:
    parts: list[bytes] = []
    total = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _ClientGoneError
        part = message.get("body", b"")
        total += len(part)
        if total > limit:
            raise _too_large(limit)
        reserve(len(part))
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def _too_large(limit: int) -> TooLargeError:
    return TooLargeError(
        f"the body of a request must have at most {limit} bytes: make the images smaller, or send fewer"
    )
