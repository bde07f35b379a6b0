"""Indexing of segments: only the lines behind the indexed ones are parsed."""

from __future__ import annotations

from typing import IO

from instructsam.engine.ledger.folders import SegmentFolder
from instructsam.engine.ledger.index import Entry, Extent, Index
from instructsam.engine.ledger.lines import parse_part
from instructsam.errors import InputError

_CHUNK = 10_000  # lines per transaction


def fits(index: Index, folder: SegmentFolder) -> bool:
    """Whether no indexed segment is gone or shorter than before, and the last part of each is in its place."""
    sizes = folder.sizes()
    for name, extent in index.extents().items():
        if sizes.get(name, 0) < extent.end:
            return False
        last = index.last(name)
        if last is not None:
            try:
                if parse_part(folder.read(name, last.offset, last.length), "").key != last.key:
                    return False
            except InputError:
                return False
    return True


def scan(index: Index, folder: SegmentFolder, name: str) -> None:
    """Index the rest of a segment, without an incomplete last line.

    Raises:
        InputError: a line is damaged.
    """
    while True:
        start = index.extents().get(name, Extent())
        with folder.open(name) as stream:
            stream.seek(start.end)
            end, entries = _parse(stream, start, name, folder.path(name))
        if not entries:
            return
        index.add(
            name, start, end, entries
        )  # if another process was faster, the next round begins behind its lines


def _parse(stream: IO[bytes], start: Extent, name: str, path: str) -> tuple[Extent, list[Entry]]:
    end, lines = start
    entries = []
    for line in stream:
        if not line.endswith(b"\n"):
            break
        lines += 1
        part = parse_part(line, f"{path}, line {lines}")
        entries.append(Entry(part.key, name, end, len(line), part.stage, part.row))
        end += len(line)
        if len(entries) == _CHUNK:
            break
    return Extent(end, lines), entries
