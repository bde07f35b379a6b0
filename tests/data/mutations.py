"""Every single-field mutation of a small sample of each data format: each is read, or refused with the project's error.

`python -m tests.data.mutations` runs them all, with 1 GB of memory, and prints the counts, the slowest and what failed.
"""

from __future__ import annotations

import json
import pickle
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from instructsam.data.formats.reasonseg import read_reasonseg_folder
from instructsam.data.formats.refer import read_refs
from instructsam.data.formats.source import Tally
from instructsam.data.record import Record, parse_record, read_records, record_to_dict
from instructsam.errors import InputError
from instructsam.structures.masks import encode_rle

from .formats import test_mapillary, test_reasonseg, test_refer, test_roborefit
from .formats.helpers import block, picture, write
from .formats.test_broken import CASES, INSTANCES, places

MEMORY = 2**30
_SLOT = "the mutated place"
ODD: dict[str, str] = {
    "null": "null",
    "true": "true",
    "zero": "0",
    "negative": "-1",
    "fraction": "0.5",
    "whole float": "3.0",
    "nan": "NaN",
    "infinite": "1e400",
    "huge float": "1e308",
    "20 digits": "9" * 20,
    "64 bits": str(2**63),
    "401 digits": "1" + "0" * 400,
    "5000 digits": "9" * 5000,
    "a million": "1000000",
    "a billion": "1000000000",
    "empty text": '""',
    "text": '"x"',
    "digits": '"12"',
    "path up": '"../../x"',
    "surrogate": '"\\ud83d"',
    "nul": '"a\\u0000b"',
    "escape": '"\\u001b[2J<b>|*x*"',
    "long text": '"' + "a" * 1_000_000 + '"',
    "long code": '"' + "0" * 1_000_000 + '"',
    "negative code": '"' + "oooooooooooO" * 20 + '"',
    "empty list": "[]",
    "list of null": "[null]",
    "numbers": "[1, 2, 3, 4]",
    "huge numbers": "[1e9, 2, -1e9, 4, 5, 1e9]",
    "size": "[1000000, 1000000]",
    "empty object": "{}",
    "object": '{"a": 1}',
    "huge code": '{"size": [1000000, 1000000], "counts": [1000000000000]}',
    "wrapping code": '{"size": [6, 10], "counts": [4611686018427387904, 4611686018427387904, 4611686018427387904]}',
    "deep": "[" * 800 + "]" * 800,
    "deeper": "[" * 100_000 + "]" * 100_000,
    "deep object": '{"a":' * 800 + "1" + "}" * 800,
}
RECORD = {
    "id": "1",
    "image": {"file": "a.png", "height": 6, "width": 10},
    "instruction": "mugs",
    "phrases": [
        {
            "text": "mug",
            "instances": [
                {"rle": encode_rle(block(1, 1, 2, 2)), "box_xywh": [1, 1, 2, 2], "category": "mug"},
                {"box_xywh": [4, 1, 2, 2]},
                {"point_xy": [9, 2.5]},
            ],
        }
    ],
    "family": "x",
    "meta": {"a": 1},
    "ignore": encode_rle(block(5, 1, 2, 2)),
    "crowds": [encode_rle(block(7, 1, 2, 2))],
    "alternatives": [[{"rle": encode_rle(block(1, 1, 2, 2)), "box_xywh": [1, 1, 2, 2]}]],
}
LABELME = {
    "text": ["a"],
    "is_sentence": True,
    "shapes": [
        {"label": "target", "shape_type": "rectangle", "points": [[1, 1], [4, 4]]},
        {"label": "target", "shape_type": "circle", "points": [[7, 3], [7, 4]]},
        {"label": "ignore", "shape_type": "polygon", "points": [[0, 0], [2, 0], [2, 2]]},
        {"label": "target", "shape_type": "line", "points": [[0, 0], [2, 0]]},
    ],
}
Reader = Callable[[Path], Iterator[Record]]
REFS = [test_refer.ref(1, 9, 1)]


def read_refs_list(path: Path) -> Iterator[Record]:
    write(path.parent / "instances.json", INSTANCES)
    return read_refs(path.parent, "unc", "val", "", Tally())


ALL: dict[str, tuple[str, Any, Reader]] = {
    **CASES,
    "records": ("records.jsonl", RECORD, read_records),
    "labelme": ("a.json", LABELME, lambda path: read_reasonseg_folder(path.parent, path.parent, Tally())),
    "refcoco": ("refs(unc).json", REFS, read_refs_list),
    "refcoco instances": ("instances.json", INSTANCES, lambda path: read_instances(path)),
}


def read_instances(path: Path) -> Iterator[Record]:
    """As the reader of refs meets its instances."""
    content = path.read_bytes()
    write(path.parent / "refs(unc).json", REFS)
    path.write_bytes(content)
    return read_refs(path.parent, "unc", "val", "", Tally())


@dataclass(frozen=True)
class Mutation:
    """One file: its format, the place and the change, and its content."""

    format: str
    place: str
    change: str
    file: str
    content: bytes
    read: Reader


def mutations(formats: Iterable[str] = tuple(ALL)) -> Iterator[Mutation]:
    """Every place of every sample with every odd value, without it, and with one field more."""
    for name in formats:
        file, good, read = ALL[name]
        for place in places(good):
            for change, text in _changes(good, place):
                yield Mutation(name, str(list(place)), change, file, text.encode(), read)
    for place in places(REFS):
        for change, value in PICKLED.items():
            changed = _with(REFS, place, value)
            for protocol in (0, 2, 4):
                content = pickle.dumps(changed, protocol)
                yield Mutation(
                    "refcoco p",
                    str(list(place)),
                    f"{change} {protocol}",
                    "refs(unc).p",
                    content,
                    read_refs_list,
                )


def _changes(good: Any, place: tuple[Any, ...]) -> Iterator[tuple[str, str]]:
    slot = json.dumps(_with(good, place, _SLOT))
    for change, odd in ODD.items():
        yield change, slot.replace(json.dumps(_SLOT), odd)
    if not place:
        yield from (("nothing", ""), ("cut", slot[:-1]), ("mark", "\ufeff" + json.dumps(good)))
        return
    changed: Any = deepcopy(good)
    parent = changed
    for step in place[:-1]:
        parent = parent[step]
    if isinstance(parent, dict):
        parent["extra"] = 1
        yield "extra", json.dumps(changed)
        parent["n" * 100_000] = parent.pop("extra")
        yield "long extra", json.dumps(changed)
        parent.pop("n" * 100_000)
    del parent[place[-1]]
    yield "missing", json.dumps(changed)


def _with(good: Any, place: tuple[Any, ...], value: Any) -> Any:
    top: dict[str, Any] = {"top": deepcopy(good)}
    parent: Any = top
    key: Any = "top"
    for step in place:
        parent, key = parent[key], step
    parent[key] = value
    return top["top"]


def _bomb() -> Any:
    value: Any = []
    for _ in range(100):
        value = [value, value]
    return value


_CYCLE: list[Any] = []
_CYCLE.append(_CYCLE)
PICKLED: dict[str, Any] = {
    "none": None,
    "nan": float("nan"),
    "long": 10**4000,
    "negative": -1,
    "text": "x",
    "bytes": b"x",
    "surrogate": "\ud83d",
    "nul": "a\0",
    "set": {1},
    "object": Path("a"),
    "tuple": (1, (2, (3,))),
    "bomb": _bomb(),
    "cycle": _CYCLE,
    "tuple key": {(1, 2): 3},
    "long text": "a" * 100_000,
}


def prepare(folder: Path) -> None:
    """The pictures that the samples name."""
    picture(folder / "a.jpg")
    test_mapillary.save(folder, test_mapillary.street() % 512)
    test_roborefit.save_mask(folder, "0", block(1, 1, 3, 3))
    test_reasonseg.picture(folder / "1.jpg")


def outcome(mutation: Mutation, folder: Path) -> str:
    """What the reader says, "" when it reads records; any other error than the project's own is raised."""
    for old in folder.glob("*.p"):
        old.unlink()
    for old in folder.glob("*.json*"):
        old.unlink()
    path = folder / mutation.file
    path.write_bytes(mutation.content)
    try:
        for record in mutation.read(path):
            parse_record(record_to_dict(record), "here")
    except InputError as error:
        return str(error)
    return ""


def is_good(said: str) -> bool:
    """One line of a bearable length, without half of a character."""
    return "\n" not in said and len(said) < 1500 and "\ud83d" not in said


def main() -> int:
    """All mutations; 1 when one of them was neither read nor refused."""
    with open("/proc/self/statm", encoding="ascii") as statm:
        used = int(statm.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    counts: Counter[str] = Counter()
    slowest: list[tuple[float, str]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        for mutation in mutations():
            what = f"{mutation.format} {mutation.place} {mutation.change}"
            start = time.perf_counter()
            try:
                said = outcome(mutation, folder)
                kind = "read" if not said else "refused" if is_good(said) else "badly worded"
            except (Exception, MemoryError) as error:  # noqa: BLE001 - anything else is what is looked for
                said, kind = f"{type(error).__name__}: {str(error)[:200]}", "failed"
            if kind in ("failed", "badly worded"):
                print(f"{kind}: {what}: {said[:300]!r}")
            counts[kind] += 1
            slowest = sorted([*slowest, (time.perf_counter() - start, what)])[-5:]
    print(f"{counts.total()} mutations: {dict(counts)}")
    print("slowest:", *(f"{seconds:.2f} s {what}" for seconds, what in slowest[::-1]), sep="\n  ")
    return int(bool(counts["failed"] or counts["badly worded"]))


if __name__ == "__main__":
    sys.exit(main())
