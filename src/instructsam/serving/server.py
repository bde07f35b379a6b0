"""The server process: its socket, its signals, its end."""

from __future__ import annotations

import asyncio
import errno
import math
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn
from fastapi import FastAPI

from instructsam.errors import CheckpointError, InputError
from instructsam.serving.connections import TimedConnection
from instructsam.serving.context import Context
from instructsam.serving.guard import is_loopback
from instructsam.serving.heap import Heap
from instructsam.serving.settings import ServeSettings
from instructsam.structures.files import reason

_CONNECTIONS = 1024  # at once; above it, status 503
_KEEP_ALIVE_SECONDS = 15
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def check_address(settings: ServeSettings) -> None:
    """Refuse an address that other machines reach without a key.

    Raises:
        InputError: the address is not loopback, and there is no key.
    """
    if settings.api_key_file is None and not is_loopback(settings.host):
        raise InputError(
            f"other machines can reach {settings.host}: give --api-key-file FILE, or listen on 127.0.0.1"
        )


def open_socket(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        InputError: the port is in use, or the address is not one of this machine.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, *_, address = found[0]
        return socket.create_server(address[:2], family=family, backlog=_CONNECTIONS)
    except (OSError, UnicodeError) as error:
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise InputError(
                f"port {port} of {host} is in use: end the program that uses it, or choose another --port"
            ) from error
        cause = reason(error) if isinstance(error, OSError) else str(error)
        raise InputError(f"cannot listen on {host} port {port}: {cause}") from error


def run_server(app: FastAPI, listener: socket.socket, announce: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT, then finish the running requests. A second signal ends the process at once.

    Args:
        app: of `create_app`.
        listener: of `open_socket`.
        announce: receives the URL once the server listens.

    Raises:
        CheckpointError: a model could not be loaded.
    """
    context: Context = app.state.context
    config = uvicorn.Config(
        app,
        http=TimedConnection,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=_CONNECTIONS,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=math.ceil(context.limits.max_seconds) + 1,
    )
    _Server(config, context, announce).run(sockets=[listener])
    for model in context.service.models():
        if model.problem:
            raise CheckpointError(f"the model {model.name} could not be loaded: {model.problem}")


def url_of(listener: socket.socket) -> str:
    """The URL of a socket that listens."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Server(uvicorn.Server):
    """uvicorn's server, which would end with the signal's exit code."""

    def __init__(self, config: uvicorn.Config, context: Context, announce: Callable[[str], None]) -> None:
        super().__init__(config)
        self._context, self._announce = context, announce
        self._exit_at = math.inf
        self._heap = Heap()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Announce the URL once the socket is served."""
        await super().startup(sockets)
        if self.started and sockets:
            self._announce(url_of(sockets[0]))

    async def on_tick(self, counter: int) -> bool:
        """Begin to end when a model cannot be loaded, or load balancers have had time to see that `/ready` fails.

        Freed memory is given back every few seconds.
        """
        failed = any(model.problem for model in self._context.service.models())
        if failed or time.monotonic() >= self._exit_at:
            self.should_exit = True
        if self._heap.is_due:
            await asyncio.to_thread(self._heap.give_back)
        return await super().on_tick(counter)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals while the server runs."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal begins a graceful end, the second one ends the process."""
        if self._context.stopping:
            os._exit(128 + sig)
        self._context.stopping = True
        pause = self._context.settings.drain_seconds if sig == signal.SIGTERM else 0.0
        self._exit_at = time.monotonic() + pause
