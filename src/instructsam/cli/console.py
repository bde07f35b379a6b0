"""What the commands share: where text goes, how a prediction is shown, which noise is kept away.

Results go to stdout, notes and errors to stderr. With `--json`, stdout carries one JSON document, no more.
"""

from __future__ import annotations

import io
import json
import logging
import os
import shlex
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from instructsam.structures.safe_text import one_line
from instructsam.structures.secrets import redact_urls

if TYPE_CHECKING:
    from instructsam.structures.instances import Prediction

_WIDTH_WITHOUT_TERMINAL = 120


def prepare_streams() -> None:
    """Make stdout and stderr accept every text, for every command.

    A letter that the encoding of the terminal or the file lacks is written as an escape such as `\\u676f`: results are
    never lost to it. A stream that the caller closed becomes one that discards.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - as long as the process
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def note(message: object) -> None:
    """A line for the user on stderr; a stderr that cannot be written to ends no run."""
    with suppress(OSError):
        print(one_line(message, None), file=sys.stderr)


def error(message: object) -> None:
    """The one line that says why the command failed."""
    note(f"instructsam: error: {message}")


def say(message: object) -> None:
    """A line of the result on stdout."""
    print(one_line(message, None))


def command_line() -> str:
    """The command as it was given, to be repeated; without keys in URLs, for it is stored beside results."""
    return redact_urls(shlex.join(["instructsam", *sys.argv[1:]]))


def print_json(document: Any) -> None:
    """A JSON document on stdout; ASCII only, so that it survives every terminal encoding."""
    print(json.dumps(document, indent=2))


@contextmanager
def stdout_reserved(reserved: bool) -> Iterator[None]:
    """Inside, whatever prints to stdout lands on stderr when `reserved`."""
    with redirect_stdout(sys.stderr if reserved else sys.stdout):
        yield


def print_prediction(title: str, prediction: Prediction) -> None:
    """Title, phrases and the table of instances on stdout, or one line that says that there is none."""
    rows = prediction.table()
    looked_for = prediction.looked_for or "nothing, the model named no phrase"
    mode = f" (mode: {prediction.mode})" if prediction.mode else ""
    if not rows:
        say(f"{title}: no target; looked for: {looked_for}{mode}")
        return
    say(title)  # not as the table's title, which would wrap at the width of the columns
    say(f"looked for: {looked_for}{mode}")
    table = Table()
    for name in ("#", "phrase", "score", "box x1 y1 x2 y2 (px)", "area (px)"):
        table.add_column(name, justify="left" if name == "phrase" else "right")
    for row in rows:
        box = " ".join(f"{value:.0f}" for value in row["box_xyxy"])
        table.add_row(
            str(row["number"]),
            Text(one_line(row["phrase"], None)),
            f"{row['score']:.2f}",
            box,
            str(row["area"]),
        )
    width = None if sys.stdout.isatty() else _WIDTH_WITHOUT_TERMINAL
    Console(file=sys.stdout, width=width, highlight=False).print(table)


def quiet_libraries() -> None:
    """Keep the advice and progress bars of other libraries out of the output; what the user has set stays.

    Environment variables, because they must be set before those libraries are imported.
    """
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    logging.getLogger("PIL").setLevel(logging.CRITICAL)
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
