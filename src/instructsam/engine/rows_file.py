"""The file of a run's rows: a line of JSON each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO

from instructsam.engine.ledger.folders import is_url, local_path, open_file_system
from instructsam.engine.rows import ImageRow, parse_row
from instructsam.errors import InputError
from instructsam.structures.files import reason


def iter_rows(place: str | Path) -> Iterator[ImageRow]:
    """The rows of a file, one by one.

    Args:
        place: a path, or a URL of fsspec.

    Raises:
        InputError: it cannot be read, or a line is no row.
    """
    try:
        with _opened(place) as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    yield parse_row(line)
                except ValueError as error:
                    raise InputError(
                        f"{place}, line {number}: expected a row of the data engine, got something else: remove the "
                        "file, and the next run reads the source again"
                    ) from error
    except OSError as error:
        raise InputError(
            f"{place}: the rows cannot be read ({reason(error)}): run the engine first"
        ) from error


def _opened(place: str | Path) -> IO[bytes]:
    if not is_url(place):
        return local_path(place).open("rb")
    system, path = open_file_system(str(place))
    stream: IO[bytes] = system.open(path, "rb")
    return stream
