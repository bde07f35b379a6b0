"""The Model Context Protocol over stdin and stdout, for an agent on this machine: `instructsam mcp`."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import anyio

from instructsam.errors import InputError
from instructsam.serving.context import Context
from instructsam.serving.errors import RequestError, TimeLimitError
from instructsam.serving.mcp_tool import make_tool_server
from instructsam.serving.pictures import Picture, read_picture, read_picture_text
from instructsam.serving.service import Service
from instructsam.serving.settings import ServeSettings
from instructsam.structures.checks import shorten
from instructsam.structures.files import reason

_POLL_SECONDS = 0.1


async def serve_stdio(service: Service, settings: ServeSettings, root: Path | None) -> None:
    """Serve until stdin ends.

    Args:
        service, settings: of the models.
        root: folder whose images may be named by path; None for none.

    Raises:
        InputError: the root is not a folder.
    """
    if root is not None and not root.is_dir():
        raise InputError(f"--root {root}: expected a folder of images")
    context = Context(service, settings)

    async def read(text: str) -> Picture:
        if not service.ready:  # the first call may wait for the model
            await _until_ready(service, settings.limits.max_seconds)
        if root is not None and "\n" not in text and len(text) < 4096:
            path = root / text
            if path.is_file():
                return await _read_file(path, root, context)
        return await read_picture_text(text, context.limits)

    await service.start()
    try:
        await make_tool_server(context, read).run_stdio_async()
    finally:
        await service.stop()


async def _until_ready(service: Service, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not service.ready:
        if time.monotonic() > end:
            raise TimeLimitError(
                f"the model was not loaded within {seconds:g} seconds: the log has the cause"
            )
        await asyncio.sleep(_POLL_SECONDS)


async def _read_file(path: Path, root: Path, context: Context) -> Picture:
    resolved = await asyncio.to_thread(path.resolve)
    if not resolved.is_relative_to(root.resolve()):
        raise RequestError(f"image must be below the folder of --root, got {shorten(str(path))}")
    if resolved.stat().st_size > context.limits.max_bytes:
        raise RequestError(f"image must have at most {context.limits.max_bytes} bytes: {resolved.name}")
    try:
        content = await anyio.Path(resolved).read_bytes()
    except OSError as error:
        raise RequestError(f"image {resolved.name} cannot be read ({reason(error)})") from error
    return await read_picture(content, context.limits, resolved.name)
