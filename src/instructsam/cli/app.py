"""`instructsam app`: the page to try a model and to correct its answers (docs/app.md)."""

from __future__ import annotations

import logging
import threading
import webbrowser
from typing import Annotated

import typer

from instructsam.cli import console
from instructsam.cli.options import DeviceOption, DtypeOption, check_device
from instructsam.cli.serve import ModelsOption, parse_models, run

PAGE = "/app"


def open_app(
    model: ModelsOption = None,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Of this machine; a free one when left out.")
    ] = 0,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")
    ] = True,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
) -> int:
    """Open a page in the browser: pick a picture, type an instruction, correct the answer, download it.

    For example: instructsam app --model default --model mine=runs/finetuned

    Two or more models can be compared side by side. The page needs no network, and other machines cannot reach it.
    """
    given = {
        "models": parse_models(model or []),
        "port": port,
        "devices": (check_device(device),),
        "dtype": dtype,
    }
    announcement = "InstructSAM shows {models} on {url}" + PAGE + "; Ctrl+C ends it"

    def listening(url: str) -> None:
        logging.getLogger("instructsam").setLevel(logging.WARNING)  # no line per request of the page
        if browser:  # in a thread: some browsers return only when they are closed
            threading.Thread(target=_open_page, args=(url,), daemon=True).start()

    return run(given, {}, announcement, listening)


def _open_page(url: str) -> None:
    if not webbrowser.open(url + PAGE):
        console.note(f"no browser was found on this machine: open {url}{PAGE} in one")
