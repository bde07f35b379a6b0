"""Benchmarks by name: of the world, published ones (`data/published.py`), and folders that hold records.jsonl."""

from __future__ import annotations

from difflib import get_close_matches
from os.path import isdir, samefile
from pathlib import Path
from typing import TYPE_CHECKING

from instructsam.data.published import PUBLISHED
from instructsam.errors import InputError
from instructsam.evaluation.benchmarks.benchmark import Benchmark
from instructsam.structures.checks import check_path
from instructsam.world.splits.names import SPLIT_NAMES

if TYPE_CHECKING:
    from instructsam.world.splits.own_words import Part

_OWN_WORDS: dict[str, Part | None] = {
    "own_words": None,
    "own_words_open": "open",
    "own_words_closed": "closed",
}
DEFAULT_BENCHMARK = "world/val"


def benchmark_names() -> tuple[str, ...]:
    """The names that `get_benchmark` knows without a data folder."""
    return tuple(f"world/{name}" for name in (*SPLIT_NAMES, *_OWN_WORDS))


def is_benchmark_name(name: str) -> bool:
    """Whether `get_benchmark` knows this name, with or without a data folder."""
    return name in benchmark_names() or any(known.name == name for known in PUBLISHED)


def is_same_benchmark(stored: str, benchmark: Benchmark) -> bool:
    """Whether a stored run is of this benchmark: the same name, or a folder that was named differently or moved."""
    if stored == benchmark.name:
        return True
    if benchmark.folder is None or is_benchmark_name(stored) or is_benchmark_name(benchmark.name):
        return False
    return not isdir(stored) or samefile(stored, benchmark.folder)


def get_benchmark(name: str | Path, data: str | Path | None = None) -> Benchmark:
    """A benchmark of the world ("world/val"), of the field ("refcoco/testA"), or a folder that holds records.jsonl.

    Args:
        data: the data folder, which holds the files of the field's benchmarks (docs/data.md).

    Raises:
        InputError: none of these, or its files are missing; the message lists the names.
    """
    check_path(name, "name")
    if data is not None:
        check_path(data, "data")
    if str(name) in benchmark_names():
        return _world_benchmark(str(name).removeprefix("world/"))
    published = {known.name: known for known in PUBLISHED}
    if str(name) in published:
        if data is None:
            raise InputError(f"{name} is read from its own files: name their folder with --data DIR")
        return Benchmark.published(published[str(name)], data)
    if isdir(name):
        return Benchmark.from_folder(name)
    known = ", ".join(benchmark_names())
    near = get_close_matches(str(name), published, n=3, cutoff=0.4) or list(published)[:3]
    raise InputError(
        f"a benchmark must be one of {known}, or a folder with records.jsonl, or with --data DIR one of the field's, "
        f"such as {', '.join(near)}; got {str(name)!r}"
    )


def _world_benchmark(split: str) -> Benchmark:
    """The code that draws is imported only where it is needed."""
    if split in _OWN_WORDS:
        from instructsam.world.splits.own_words import own_lines, own_words

        part = _OWN_WORDS[split]
        return Benchmark(
            f"world/{split}", lambda limit: own_words(limit, part), size=lambda: len(own_lines(part))
        )
    from instructsam.world.splits.build import INSTRUCTIONS, benchmark_records

    (known,) = (name for name in SPLIT_NAMES if name == split)
    return Benchmark(
        f"world/{split}", lambda limit: benchmark_records(known, limit), size=lambda: INSTRUCTIONS
    )
