"""The ledger in a folder: append-only segments of parts, found by an index that can be rebuilt.

Memory does not grow with the number of parts: the index is a file, and only parts that are not yet indexed are held.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from instructsam.engine.ledger.folders import is_url, local_path, open_folder
from instructsam.engine.ledger.index import Entry, Extent, Index
from instructsam.engine.ledger.lines import format_part, parse_part
from instructsam.engine.ledger.scan import fits, scan
from instructsam.engine.ledger.segments import open_segment
from instructsam.engine.tasks import Part
from instructsam.errors import InputError
from instructsam.structures.destinations import prepare_folder

INDEX_NAME = "index.sqlite"
_MAX_PENDING = 2000  # parts that are not yet indexed
_INDEX_SECONDS = 1.0
_MAX_ABSENT = 100_000  # keys


class Ledger:
    """The parts of a run, in a folder or at a URL of fsspec; a context manager and a `PartStore`.

    Any number of threads may use it. Several processes may write different segments of one folder at once. Of parts
    with equal keys the first one counts, also across segments.

    Args:
        folder: of the segments; s3://bucket/run/ledger needs s3fs.
        segment: name of the segment that this process writes; None to read.
        index: file of the index; None for `index.sqlite` in a local folder, and a temporary one for a URL.

    Attributes:
        notes: repairs made on opening.

    Raises:
        InputError: another process writes to the segment, a segment is damaged, or a file cannot be written.
    """

    def __init__(self, folder: str | Path, segment: str | None = None, *, index: Path | None = None) -> None:
        self.folder = folder
        self._mutex = threading.RLock()
        self._pending: dict[str, bytes] = {}  # lines by key, until they are indexed
        self._entries: list[Entry] = []  # of the pending lines
        self._absent: set[str] = set()  # keys that `get` did not find: their `append` need not look again
        self._indexed = time.monotonic()
        with ExitStack() as stack:
            self._segments = open_folder(folder)
            stack.callback(self._segments.close)
            self._writer = None if segment is None else open_segment(folder, segment)
            if self._writer is not None:
                stack.callback(self._writer.close)
            self.notes = () if self._writer is None else self._writer.notes
            if index is None and is_url(folder):
                index = Path(stack.enter_context(tempfile.TemporaryDirectory())) / INDEX_NAME
            index = index or local_path(folder) / INDEX_NAME
            prepare_folder(index.parent, "ledger")
            self._index = Index(index)
            stack.callback(self._index.close)
            if not fits(self._index, self._segments):
                self._index.clear()
            self.refresh()
            stack.callback(self._flush, force=True)
            self._closing = stack.pop_all()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        with self._mutex:
            return self._index.count() + len(self._pending)

    def __contains__(self, key: str) -> bool:
        with self._mutex:
            return key in self._pending or self._index.has(key)

    def get(self, key: str) -> Part | None:
        """The part of this key; None where its task has not been performed.

        Raises:
            InputError: its segment was changed by another program.
        """
        with self._mutex:
            if key in self._pending:
                return parse_part(self._pending[key], "a new part")
            entry = self._index.entry(key)
            if entry is None and len(self._absent) < _MAX_ABSENT:
                self._absent.add(key)
        return None if entry is None else self._read(entry)

    def append(self, part: Part) -> None:
        """Keep a part; one whose key is there already is dropped.

        Raises:
            InputError: the ledger was opened to read, or the segment cannot be written.
        """
        if self._writer is None:
            raise InputError(f"{self.folder}: the ledger is open to read, not to write: name a segment")
        line = format_part(part)
        with self._mutex:
            if part.key in self._pending or (part.key not in self._absent and part.key in self):
                return
            self._absent.discard(part.key)
            segment, offset = self._writer.append(line)
            self._pending[part.key] = line
            self._entries.append(Entry(part.key, segment, offset, len(line), part.stage, part.row))
            if len(self._pending) >= _MAX_PENDING or time.monotonic() - self._indexed >= _INDEX_SECONDS:
                self._flush(force=False)

    def flush(self) -> None:
        """Make all parts permanent, and visible to other processes."""
        with self._mutex:
            self._flush(force=True)

    def refresh(self) -> None:
        """Index the parts that other processes have appended.

        Raises:
            InputError: a line is damaged; the message names file and line.
        """
        with self._mutex:
            self._absent.clear()
            extents = self._index.extents()
            for name, size in self._segments.sizes().items():
                if size > extents.get(name, Extent()).end:
                    scan(self._index, self._segments, name)

    def parts(self, stage: str | None = None) -> Iterator[Part]:
        """All parts, of one stage or of all: each key once, in the order of segments and lines."""
        with self._mutex:
            self._flush(force=True)
            names = sorted(self._index.extents())
        for name in names:
            with self._segments.open(name) as stream:
                after = -1
                while page := self._page(name, stage, after):
                    for entry in page:
                        stream.seek(entry.offset)
                        yield self._parse(entry, stream.read(entry.length))
                    after = page[-1].offset

    def parts_of(self, row: str) -> list[Part]:
        """All parts of a row, by its id."""
        with self._mutex:
            entries = self._index.of_row(row)
            lines = [self._pending[entry.key] for entry in self._entries if entry.row == row]
        return [*map(self._read, entries), *(parse_part(line, "a new part") for line in lines)]

    def stages(self) -> dict[str, int]:
        """The number of parts by stage."""
        with self._mutex:
            self._flush(force=True)
            return self._index.stages()

    def close(self) -> None:
        """Make all parts permanent and release the segment; a second call does nothing."""
        with self._mutex:
            self._closing.close()

    def _page(self, name: str, stage: str | None, after: int) -> list[Entry]:
        with self._mutex:
            return self._index.of_segment(name, stage, after)

    def _read(self, entry: Entry) -> Part:
        return self._parse(entry, self._segments.read(entry.segment, entry.offset, entry.length))

    def _parse(self, entry: Entry, line: bytes) -> Part:
        path = self._segments.path(entry.segment)
        part = parse_part(line, f"{path}, byte {entry.offset}")
        if part.key != entry.key:
            raise InputError(
                f"{path}: another program changed this file: remove {self._index.path}, which is rebuilt"
            )
        return part

    def _flush(self, force: bool) -> None:
        self._indexed = time.monotonic()
        if self._writer is None or not self._writer.flush(force):
            return
        if self._entries:
            name, start, _ = self._entries[0][1:4]
            extent = self._index.extents().get(name, Extent())
            end = Extent(start + sum(map(len, self._pending.values())), extent.lines + len(self._entries))
            if extent.end != start or not self._index.add(name, extent, end, self._entries):
                scan(self._index, self._segments, name)  # another process has changed the index
            self._entries, self._pending = [], {}
