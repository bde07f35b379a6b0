"""An application behind a real socket, for clients that cannot be given an application."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from instructsam.serving.app import create_app
from instructsam.serving.server import open_socket, url_of
from instructsam.serving.service import Service
from instructsam.serving.settings import ServeSettings


@contextmanager
def live_server(service: Service, settings: ServeSettings | None = None) -> Iterator[str]:
    """The URL of a server, while the block runs."""
    listener = open_socket("127.0.0.1", 0)
    app = create_app(service, settings)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="on", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    end = time.monotonic() + 20
    while not server.started and time.monotonic() < end:
        time.sleep(0.01)
    try:
        yield url_of(listener)
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()
