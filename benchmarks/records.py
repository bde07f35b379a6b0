"""How fast records are read and checked: `python benchmarks/records.py [--records N]`.

Reads a JSONL file of small-world records with `read_records`, and the same lines with `json.loads` alone, which checks
nothing. Times are CPU time, the best of some rounds that take turns. The last line is the share of checking the masks.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from instructsam.data.record import Record, read_records, record_to_dict
from instructsam.structures.masks import rle_area
from instructsam.world.splits.build import record_of
from instructsam.world.splits.stream import WorldSettings, world_sample

SCENES = 40  # different ones; their records repeat with other ids


def write_lines(path: Path, count: int) -> None:
    """`count` records of drawn scenes."""
    distinct = []
    for index in range(SCENES):
        sample = world_sample(3, index, WorldSettings())
        for number, instruction in enumerate(sample.instructions):
            record = record_of(sample.rendered, instruction, f"{index:05d}", number)
            distinct.append(record_to_dict(record))
    with path.open("w", encoding="utf-8") as out:
        for number in range(count):
            out.write(json.dumps(distinct[number % len(distinct)] | {"id": str(number)}) + "\n")


def measure_areas(records: list[Record]) -> int:
    """Pixels of all masks, as `read_records` counts them."""
    return sum(
        rle_area(instance.rle or {})
        for record in records
        for phrase in record.phrases
        for instance in phrase.instances
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "records.jsonl"
        write_lines(path, given.records)
        lines = path.read_bytes().splitlines()
        records = list(read_records(path))
        jobs: dict[str, Callable[[], object]] = {
            "json.loads": lambda: sum(1 for line in lines if json.loads(line)),
            "read_records": lambda: sum(1 for _ in read_records(path)),
            "of it, areas of masks": lambda: measure_areas(records),
        }
        best = dict.fromkeys(jobs, float("inf"))
        for _ in range(given.rounds):
            for name, job in jobs.items():
                started = time.process_time()
                job()
                best[name] = min(best[name], time.process_time() - started)
        print(
            f"{platform.machine()}; {given.records} records of {path.stat().st_size / given.records:.0f} bytes"
        )
    for name, seconds in best.items():
        micros = seconds / given.records * 1e6
        print(f"{name:22s} {micros:7.1f} us a record, {seconds / best['json.loads']:5.1f} x json.loads")


if __name__ == "__main__":
    main()
