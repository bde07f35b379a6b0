"""Settings of the server; the options of `instructsam serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from instructsam.config.base import Config


class Limits(Config):
    """Limits of one request; a request above one is refused with status 413.

    Attributes:
        max_bytes: of the body of a request.
        max_pixels: of an image, from its header.
        max_images: of a batch request.
        max_instructions, max_phrases: of a request.
        max_characters: of an instruction or phrase.
        max_seconds: until the answer, waiting included.
    """

    max_bytes: Annotated[int, Field(ge=1)] = 32 * 2**20
    max_pixels: Annotated[int, Field(ge=1)] = 50_000_000
    max_images: Annotated[int, Field(ge=1)] = 32
    max_instructions: Annotated[int, Field(ge=1)] = 64
    max_phrases: Annotated[int, Field(ge=1)] = 64
    max_characters: Annotated[int, Field(ge=1)] = 4000
    max_seconds: Annotated[float, Field(gt=0)] = 90.0


class ServeSettings(Config):
    """Settings of `instructsam serve`.

    Attributes:
        models: served models by name: a folder or hub id; `default` is the shipped one. The first is used where a
            request names none.
        host: address to listen on; any but loopback needs a key.
        port: to listen on; 0 picks a free one.
        api_key_file: file whose first line is the key of every request.
        devices: one worker process per device beyond one.
        dtype: as `instructsam.load` takes it.
        max_batch: images of one forward pass, across requests.
        max_wait_ms: longest wait for further requests of a batch, in milliseconds.
        queue: images that wait; above it, requests are refused with status 503.
        cache_bytes: of cached image features; 0 for none.
        request_bytes: of the bodies and decoded images of all requests together; above it, status 503.
        public_hosts: names under which clients reach the server, besides those of loopback.
        allow_hosts: hosts that images may be fetched from, HOST or HOST:PORT; none by default.
        allow_private_hosts: as `allow_hosts`, and their addresses may be private, such as those of a local network.
        drain_seconds: after SIGTERM, `/ready` fails for this time before the server refuses connections.
        label_studio_url: address of a Label Studio whose images the server fetches, with the token in the environment
            variable LABEL_STUDIO_API_KEY.
        log_text: write instructions and phrases into the log.
        limits: of one request.
    """

    models: dict[str, str] = Field(default_factory=lambda: {"default": "default"})
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    api_key_file: Path | None = None
    devices: tuple[str, ...] = ("auto",)
    dtype: str = "auto"
    max_batch: Annotated[int, Field(ge=1)] = 8
    max_wait_ms: Annotated[float, Field(ge=0)] = 10.0
    queue: Annotated[int, Field(ge=1)] = 128
    cache_bytes: Annotated[int, Field(ge=0)] = 256 * 2**20
    request_bytes: Annotated[int, Field(ge=1)] = 2 * 2**30
    public_hosts: tuple[str, ...] = ()
    allow_hosts: tuple[str, ...] = ()
    allow_private_hosts: tuple[str, ...] = ()
    drain_seconds: Annotated[float, Field(ge=0)] = 2.0
    label_studio_url: str | None = None
    log_text: bool = False
    limits: Limits = Limits()
