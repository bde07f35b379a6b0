"""Output of the commands: streams, notes, errors, predictions.

Results go to stdout, notes and errors to stderr. With `--json`, stdout has exactly one JSON document.
"""

from __future__ import annotations

import io
import json
import logging
import os
import shlex
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from instructsam.structures.safe_text import one_line
from instructsam.structures.secrets import redact_urls

if TYPE_CHECKING:
    from instructsam.structures.predictions import Prediction

_WIDTH_WITHOUT_TERMINAL = 120


def prepare_streams() -> None:
    """Make stdout and stderr accept every text.

    A character that the encoding lacks is written as an escape such as `\\u676f`. A closed stream is replaced by one
    that discards.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - stays open
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def note(message: object) -> None:
    """Print a line on stderr; errors of stderr itself are ignored."""
    with suppress(OSError):
        print(one_line(message, None), file=sys.stderr)


def error(message: object) -> None:
    """Print the reason why the command failed, as one line on stderr."""
    note(f"instructsam: error: {message}")


def say(message: object) -> None:
    """Print a line of the result on stdout; spaces at its start stay."""
    text = str(message)
    print(" " * (len(text) - len(text.lstrip(" "))) + one_line(text, None))


def command_line() -> str:
    """The command line as given, without keys in URLs, to be stored with the results."""
    return redact_urls(shlex.join(["instructsam", *sys.argv[1:]]))


def print_json(document: Any) -> None:
    """Print a JSON document on stdout; ASCII only, for every terminal encoding."""
    print(json.dumps(document, indent=2))


@contextmanager
def stdout_reserved(reserved: bool) -> Iterator[None]:
    """Redirect stdout to stderr inside the block when `reserved`."""
    with redirect_stdout(sys.stderr if reserved else sys.stdout):
        yield


def print_prediction(title: str, prediction: Prediction) -> None:
    """Print title, phrases and the table of instances on stdout, or one line without instances."""
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
    _print_table(table)


def print_rows(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table on stdout; the first column is text, the others are numbers."""
    table = Table()
    for number, title in enumerate(titles):
        table.add_column(title, justify="right" if number else "left")
    for first, *rest in rows:
        table.add_row(Text(one_line(first)), *(f"{value:,}" for value in rest))
    _print_table(table)


def _print_table(table: Table) -> None:
    width = None if sys.stdout.isatty() else _WIDTH_WITHOUT_TERMINAL
    Console(file=sys.stdout, width=width, highlight=False).print(table)


def quiet_libraries() -> None:
    """Disable advice and progress bars of other libraries, unless the user has configured them.

    Uses environment variables, because those libraries read them on import.
    """
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    logging.getLogger("PIL").setLevel(logging.CRITICAL)
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
