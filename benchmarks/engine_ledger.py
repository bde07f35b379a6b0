"""Speed and memory of the data engine's ledger: `python benchmarks/engine_ledger.py [--rows 1000 100000]`.

Appends 8 parts of about 500 bytes for each row, looks some of them up, reads all, and opens the ledger again with and
without its index. Each size runs in a process of its own, whose memory is measured above that of the imports. Beside it
stands the same text in a plain JSONL file, which can neither look up a part nor drop a double. Times are CPU time.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from instructsam.engine.ledger.ledger import INDEX_NAME, Ledger
from instructsam.engine.ledger.lines import format_part
from instructsam.engine.tasks import Part, Usage

STAGES = ("propose", "words", "vote", "vote", "vote", "exhaustive", "revise", "outcome")
LOOKUPS = 10_000


def parts(rows: int) -> Iterator[Part]:
    """The parts of all rows."""
    text = "the second mug from the left " * 12
    for row in range(rows):
        for number, stage in enumerate(STAGES):
            key = hashlib.sha256(f"{row} {number}".encode()).hexdigest()[:32]
            yield Part(
                key, stage, f"images/{row:06d}.jpg", {"text": text, "numbers": [number]}, Usage(900, 60)
            )


def memory() -> float:
    """The largest resident memory of this process until now, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(rows: int, folder: Path) -> dict[str, float]:
    """The figures of one size."""
    total, before = rows * len(STAGES), memory()
    started = time.process_time()
    with (folder / "plain").open("wb", buffering=0) as stream:
        for part in parts(rows):
            stream.write(format_part(part))
    plain = time.process_time() - started
    (folder / "plain").unlink()
    started = time.process_time()
    with Ledger(folder, "main") as ledger:
        for part in parts(rows):
            ledger.append(part)
        appending = time.process_time() - started
        keys = [part.key for part, _ in zip(parts(rows), range(LOOKUPS), strict=False)]
        started = time.process_time()
        missing = sum(ledger.get(key) is None for key in keys)
        lookup = (time.process_time() - started) / len(keys)
        started = time.process_time()
        count = sum(1 for _ in ledger.parts())
        reading = time.process_time() - started
    assert (missing, count) == (0, total)
    opening = open_again(folder)
    index = (folder / INDEX_NAME).stat().st_size / total
    (folder / INDEX_NAME).unlink()
    rebuilding = open_again(folder)
    return {
        "parts": total,
        "appends per second": total / appending,
        "plain appends per second": total / plain,
        "microseconds per look-up": lookup * 1e6,
        "parts read per second": total / reading,
        "seconds to open": opening,
        "seconds to open without index": rebuilding,
        "index bytes per part": index,
        "MiB of memory": memory() - before,
    }


def open_again(folder: Path) -> float:
    """Seconds until the ledger is open."""
    started = time.process_time()
    Ledger(folder, "main").close()
    return time.process_time() - started


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[1000, 100_000])
    parser.add_argument("--one", action="store_true", help="measure in this process and print JSON")
    given = parser.parse_args()
    if given.one:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(measure(given.rows[0], Path(folder))))
        return
    for rows in given.rows:
        command = [sys.executable, __file__, "--one", "--rows", str(rows)]
        figures = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        print(f"{rows:,} rows")
        for name, value in figures.items():
            print(f"  {name}: {value:,.2f}")


if __name__ == "__main__":
    main()
