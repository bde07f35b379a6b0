"""The kind of a JSON file from a few of its bytes, so that a large one is not parsed to find its reader."""

from __future__ import annotations

import json
import mmap
from pathlib import Path
from typing import Any

RECORDS, INST2SEG, COCO = "records", "inst2seg", "coco"
_KEYS = {
    b"[": (INST2SEG, (b'"image"', b'"annotation"')),
    b"{": (COCO, (b'"images"', b'"annotations"')),
}
_HEAD = 1 << 20  # bytes that are looked at first
_BOM = b"\xef\xbb\xbf"


def json_kind(path: Path) -> str:
    """`RECORDS` (Inst2Seg, one per line), `INST2SEG` (published, a list), `COCO`, or "" for anything else."""
    if not path.is_file() or not path.stat().st_size:
        return ""
    with path.open("rb") as stream:
        head = stream.read(_HEAD).removeprefix(_BOM).lstrip()
        if head[:1] not in _KEYS:
            return ""
        if isinstance(line := _first_line(head), dict) and "phrases" in line:
            return RECORDS
        kind, keys = _KEYS[head[:1]]
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return kind if all(content.find(key) >= 0 for key in keys) else ""


def _first_line(head: bytes) -> Any:
    try:
        return json.loads(head.split(b"\n", 1)[0])
    except (ValueError, RecursionError):
        return None
