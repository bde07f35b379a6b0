"""The candidates of a selection in a temporary SQLite file, so that memory stays flat."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Generator, Iterable

from instructsam.engine.candidates import Candidate
from instructsam.engine.filters.near_texts import normal_text
from instructsam.engine.filters.report import FilterReport
from instructsam.engine.rows import ImageRow

_TABLE = """
CREATE TABLE candidates (
    place INTEGER PRIMARY KEY, id TEXT, image TEXT, hash INTEGER, kind TEXT, targets INTEGER, categories TEXT,
    text TEXT, instruction TEXT, dropped INTEGER DEFAULT 0
);
CREATE INDEX by_hash ON candidates (hash);
CREATE INDEX by_text ON candidates (text);
CREATE INDEX by_image ON candidates (image);
"""
_CACHE = -65536  # KiB of the file that stay in memory
_BATCH = 1000

MAX_HASH = 2**63
"""Hashes are smaller."""

Value = str | int | float


class CandidatePool:
    """The candidates that no filter has dropped yet.

    `rows` and `drop` take SQL over the table `candidates`:

    | column | |
    |---|---|
    | place | their order |
    | id, image, kind, instruction | of the candidate, and the file of its image |
    | hash | of the id, from 0 to 2**63 - 1, and negative where a person has accepted it: limits keep the smallest |
    | targets | 0, 1, or 2 for more |
    | categories | JSON list of those that are meant |
    | text | the instruction in normal form, see `near_texts.normal_text` |
    | dropped | 0 or 1 |

    Args:
        report: counts what is dropped.
    """

    def __init__(self, report: FilterReport) -> None:
        self.report = report
        self.database = sqlite3.connect("", isolation_level=None)  # "": a file that SQLite deletes at the end
        self.database.executescript(
            f"PRAGMA journal_mode = OFF; PRAGMA cache_size = {_CACHE}; {_TABLE} BEGIN"
        )

    def close(self) -> None:
        """Delete the file."""
        self.database.close()

    def add(self, row: ImageRow, candidate: Candidate, by_person: bool) -> None:
        """Add a candidate."""
        number = id_hash(candidate.id)
        meant = (row.instances[number - 1].category for number in candidate.numbers)
        self.database.execute(
            "INSERT INTO candidates (id, image, hash, kind, targets, categories, text, instruction) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                candidate.id,
                row.image.file,
                -1 - number if by_person else number,
                candidate.kind,
                min(len(candidate.numbers), 2),
                json.dumps(sorted({category for category in meant if category})),
                normal_text(candidate.instruction),
                candidate.instruction,
            ),
        )

    def rows(self, query: str, values: Iterable[Value] = ()) -> Generator[tuple[Value, ...]]:
        """The result of a query; end it, or close it before the pool."""
        yield from self.database.execute(query, tuple(values))

    def drop(self, stage: str, reason: str, condition: str, values: Iterable[Value] = ()) -> int:
        """Drop the candidates of a condition and return their number."""
        values = tuple(values)
        first = self.database.execute(
            f"SELECT id, instruction FROM candidates WHERE NOT dropped AND ({condition}) ORDER BY place LIMIT 1",
            values,
        ).fetchone()
        if first is None:
            return 0
        count = self.database.execute(
            f"UPDATE candidates SET dropped = 1 WHERE NOT dropped AND ({condition})", values
        ).rowcount
        self.report.drop(stage, reason, f"{first[0]}: {first[1]}", count)
        return count

    def drop_places(self, stage: str, reason: str, places: list[int]) -> int:
        """Drop the candidates of these places and return their number."""
        count = 0
        for start in range(0, len(places), _BATCH):
            part = places[start : start + _BATCH]
            marks = ", ".join("?" * len(part))
            count += self.drop(stage, reason, f"place IN ({marks})", part)
        return count

    def kept(self) -> Generator[str]:
        """The ids of the candidates that are left, in their order."""
        for (found,) in self.rows("SELECT id FROM candidates WHERE NOT dropped ORDER BY place"):
            yield str(found)


def id_hash(text: str) -> int:
    """From 0 to 2**63 - 1, alike on every system: the order in which limits keep candidates."""
    return (
        int.from_bytes(hashlib.sha256(text.encode("utf-8", errors="surrogatepass")).digest()[:8], "big") >> 1
    )
