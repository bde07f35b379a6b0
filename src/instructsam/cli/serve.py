"""`instructsam serve`: the HTTP server (docs/serve.md)."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from instructsam.cli import console
from instructsam.cli.options import DtypeOption, check_device
from instructsam.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from instructsam.serving.settings import ServeSettings

DEFAULT = "default"
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,63}", re.ASCII)

ModelsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        help="Model folder or hub id, or NAME=MODEL; repeat for several; the shipped default when left out.",
    ),
]
HostOption = Annotated[
    str, typer.Option("--host", help="Address to listen on; any but loopback needs a key.")
]
PortOption = Annotated[int, typer.Option("--port", min=0, max=65535, help="0 picks a free port.")]
KeyOption = Annotated[
    Path | None, typer.Option("--api-key-file", help="File whose first line is the key of every request.")
]
PublicHostOption = Annotated[
    list[str] | None, typer.Option("--public-host", help="Name under which clients reach the server.")
]
AllowHostOption = Annotated[
    list[str] | None,
    typer.Option("--allow-host", help="HOST or HOST:PORT that images may be fetched from."),
]
AllowPrivateHostOption = Annotated[
    list[str] | None,
    typer.Option("--allow-private-host", help="The same, for hosts of the local network."),
]
LabelStudioOption = Annotated[
    str | None,
    typer.Option(
        "--label-studio-url", help="Label Studio to fetch images from; token in LABEL_STUDIO_API_KEY."
    ),
]
DrainOption = Annotated[
    float, typer.Option("--drain-seconds", min=0, help="After SIGTERM, until connections are refused.")
]
DevicesOption = Annotated[
    str, typer.Option("--devices", help="auto, cpu, cuda:0 or a list such as cuda:0,cuda:1.")
]
CacheOption = Annotated[
    int, typer.Option("--cache-bytes", min=0, help="Memory for image features; 0 for none.")
]


def serve(
    model: ModelsOption = None,
    host: HostOption = "127.0.0.1",
    port: PortOption = 8000,
    api_key_file: KeyOption = None,
    devices: DevicesOption = "auto",
    dtype: DtypeOption = "auto",
    max_batch: Annotated[int, typer.Option("--max-batch", min=1, help="Images of one forward pass.")] = 8,
    max_wait_ms: Annotated[
        float, typer.Option("--max-wait-ms", min=0, help="Longest wait for further requests of a batch.")
    ] = 10.0,
    queue: Annotated[
        int, typer.Option("--queue", min=1, help="Images that wait; above it, status 503.")
    ] = 128,
    cache_bytes: CacheOption = 256 * 2**20,
    max_bytes: Annotated[int, typer.Option("--max-bytes", min=1, help="Largest body of a request.")] = 32
    * 2**20,
    max_pixels: Annotated[int, typer.Option("--max-pixels", min=1, help="Largest image.")] = 50_000_000,
    max_seconds: Annotated[float, typer.Option("--max-seconds", min=1, help="Until an answer.")] = 90.0,
    public_host: PublicHostOption = None,
    allow_host: AllowHostOption = None,
    allow_private_host: AllowPrivateHostOption = None,
    label_studio_url: LabelStudioOption = None,
    drain_seconds: DrainOption = 2.0,
    log_text: Annotated[bool, typer.Option("--log-text", help="Log instructions and phrases.")] = False,
) -> int:
    """Serve models over HTTP, to programs and to labelling tools.

    For example: instructsam serve --port 8000

    The API is described at /docs. Logs are JSON lines on stderr.
    """
    given: dict[str, Any] = {
        "models": parse_models(model or []),
        "host": host,
        "port": port,
        "api_key_file": api_key_file,
        "devices": tuple(check_device(name.strip()) for name in devices.split(",")),
        "dtype": dtype,
        "max_batch": max_batch,
        "max_wait_ms": max_wait_ms,
        "queue": queue,
        "cache_bytes": cache_bytes,
        "public_hosts": tuple(public_host or ()),
        "allow_hosts": tuple(allow_host or ()),
        "allow_private_hosts": tuple(allow_private_host or ()),
        "label_studio_url": label_studio_url,
        "drain_seconds": drain_seconds,
        "log_text": log_text,
    }
    limits = {"max_bytes": max_bytes, "max_pixels": max_pixels, "max_seconds": max_seconds}
    return run(given, limits, "InstructSAM serves {models} on {url}")


def run(
    given: dict[str, Any],
    limits: dict[str, Any],
    announcement: str,
    listening: Callable[[str], None] = lambda url: None,
) -> int:
    """Start the server with these settings.

    Args:
        given: fields of `ServeSettings` except its limits.
        limits: fields of `Limits`.
        announcement: printed once the server listens; {models} and {url} are filled in.
        listening: receives the URL after that.
    """
    try:
        from instructsam.serving.app import create_app
        from instructsam.serving.logs import log_to_stderr
        from instructsam.serving.server import check_address, open_socket, run_server
        from instructsam.serving.settings import Limits, ServeSettings
    except ImportError as error:
        raise MissingExtraError(f"the server needs {error.name}: pip install 'instructsam[serve]'") from error
    settings = ServeSettings(**given, limits=Limits(**limits))
    check_address(settings)
    _note_readable_key(settings)
    names = ", ".join(settings.models)

    def announce(url: str) -> None:
        print(announcement.format(models=names, url=url), flush=True)
        listening(url)

    with open_socket(settings.host, settings.port) as listener:
        from instructsam.serving.services import make_service  # imports torch, which takes seconds

        app = create_app(make_service(settings), settings)
        log_to_stderr()
        run_server(app, listener, announce)
    return 0


def parse_models(given: list[str]) -> dict[str, str]:
    """Models by name, from MODEL or NAME=MODEL; the shipped default when there are none.

    Raises:
        InputError: two have one name, or a name has other characters than letters, digits, `_`, `.` and `-`.
        CheckpointError: there is no such folder, and it cannot be a hub id.
    """
    from instructsam.checkpoints.resolve import local_folder

    models: dict[str, str] = {}
    for text in given or [DEFAULT]:
        name, equals, source = text.partition("=")
        if not equals:
            name, source = Path(text).name, text
        if not _NAME.fullmatch(name):
            raise InputError(f"--model must be MODEL or NAME=MODEL with a plain name, got {text!r:.80}")
        if name in models:
            raise InputError(f"--model has two models of the name {name!r}: give NAME=MODEL")
        local_folder(None if source == DEFAULT else source)
        models[name] = source
    return models


def _note_readable_key(settings: ServeSettings) -> None:
    from instructsam.serving.keys import readable_by_others

    path = settings.api_key_file
    if path is not None and readable_by_others(path):
        console.note(f"warning: other users of this machine can read {path}: chmod 600 {path}")
