"""`instructsam mcp`: the tool `segment` for agents, over stdin and stdout (docs/mcp.md)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from instructsam.cli.options import DeviceOption, DtypeOption
from instructsam.cli.serve import ModelsOption, parse_models
from instructsam.errors import MissingExtraError


def mcp(
    model: ModelsOption = None,
    root: Annotated[
        Path | None, typer.Option("--root", help="Folder whose images agents may name by path; else none.")
    ] = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
) -> int:
    """Serve the tool `segment` of the Model Context Protocol over stdin and stdout.

    For example, in the settings of an agent: command "instructsam", arguments ["mcp", "--root", "PHOTOS"].
    """
    try:
        from instructsam.serving.mcp_stdio import serve_stdio
        from instructsam.serving.services import make_service
        from instructsam.serving.settings import ServeSettings
    except ImportError as error:
        message = f"the tool for agents needs {error.name}: pip install 'instructsam[serve,mcp]'"
        raise MissingExtraError(message) from error
    settings = ServeSettings(models=parse_models(model or []), devices=(device,), dtype=dtype)
    asyncio.run(serve_stdio(make_service(settings), settings, root))
    return 0
