"""A limit on near-duplicates of one instruction over the whole set.

The words of a picture's objects return in other pictures: "the dogs" is right for many images. So copies are allowed,
up to a limit.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from instructsam.engine.filters.near_texts import fewest_shingles, shingles, similarity
from instructsam.engine.filters.pool import CandidatePool
from instructsam.errors import MissingExtraError

_BANDS, _ROWS = 12, 5  # of the MinHash: at a similarity of 0.8 a pair is found with probability 0.99
_BLOCK = 1000  # texts
_PER_BAND, _MOST_COMPARED = 8, 4  # earlier texts: looked up in a band, and compared

_TABLES = (
    "CREATE TABLE leaders (number INTEGER PRIMARY KEY, text TEXT)",
    "CREATE TABLE bands (band INTEGER, leader INTEGER, PRIMARY KEY (band, leader)) WITHOUT ROWID",
)


def limit_copies(pool: CandidatePool, threshold: float, most: int) -> None:
    """Drop near-duplicates beyond `most` (0: no limit) of each instruction, those with the largest hashes.

    Raises:
        MissingExtraError: datasketch is not installed.
    """
    if not most:
        return
    _merge_similar(pool, threshold)
    rank = "ROW_NUMBER() OVER (PARTITION BY text ORDER BY hash) AS rank"
    ranks = f"SELECT place, {rank} FROM candidates WHERE NOT dropped"
    reason = f"more than {most} near-duplicates of one instruction in the set"
    pool.drop("set", reason, f"place IN (SELECT place FROM ({ranks}) WHERE rank > ?)", [most])


def _merge_similar(pool: CandidatePool, threshold: float) -> None:
    """Give similar texts one text: that of the first one, in the order of the hashes."""
    fewest = fewest_shingles(threshold)
    if fewest == float("inf"):
        return
    for (
        table
    ) in _TABLES:  # a script would end the transaction, and then every insert would be written to the disk
        pool.database.execute(table)
    query = "SELECT text, MIN(hash) AS first FROM candidates WHERE NOT dropped GROUP BY text ORDER BY first"
    texts = (str(text) for text, _ in pool.rows(query))
    long = (text for text in texts if text.count(" ") + 2 >= fewest)
    merged: list[tuple[str, str]] = []
    while block := list(islice(long, _BLOCK)):
        for text, bands in zip(block, _bands(block), strict=True):
            leader = _leader(pool, text, bands, threshold)
            if leader:
                merged.append((leader, text))
    pool.database.executemany("UPDATE candidates SET text = ? WHERE text = ?", merged)


def _leader(pool: CandidatePool, text: str, bands: Sequence[int], threshold: float) -> str:
    """The earlier text that this one is similar to; "" without one, and then it leads others."""
    execute = pool.database.execute
    query = "SELECT leader FROM bands WHERE band = ? ORDER BY leader LIMIT ?"
    shared = Counter(leader for band in bands for (leader,) in execute(query, (band, _PER_BAND)))
    own = shingles(text)
    for leader, _ in sorted(shared.items(), key=lambda found: (-found[1], found[0]))[:_MOST_COMPARED]:
        (other,) = execute("SELECT text FROM leaders WHERE number = ?", (leader,)).fetchone()
        if similarity(own, shingles(other)) >= threshold:
            return str(other)
    number = execute("INSERT INTO leaders (text) VALUES (?)", (text,)).lastrowid
    pool.database.executemany("INSERT OR IGNORE INTO bands VALUES (?, ?)", [(band, number) for band in bands])
    return ""


def _bands(texts: Sequence[str]) -> Iterator[list[int]]:
    """The MinHash of each text, cut into bands, each as a number of 64 bits."""
    parts = [sorted(" ".join(pair).encode() for pair in shingles(text)) for text in texts]
    for found in _min_hash().bulk(parts, num_perm=_BANDS * _ROWS):
        values = found.hashvalues.astype(">u8").reshape(_BANDS, _ROWS)
        yield [_number(bytes([band]) + row.tobytes()) for band, row in enumerate(values)]


def _number(content: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big", signed=True)


def _min_hash() -> Any:
    try:
        from datasketch import MinHash
    except ImportError as error:
        raise MissingExtraError(
            "filters.copies_per_text needs datasketch: pip install 'instructsam[engine]', or set "
            "filters.copies_per_text=0"
        ) from error
    return MinHash
