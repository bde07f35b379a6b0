"""The kind of a JSON file from a few of its bytes, so that a large one is not parsed to find its reader."""

from __future__ import annotations

import json
import mmap
from pathlib import Path
from typing import Any

RECORDS, LIST, COCO = "records", "list", "coco"
_HEAD = 1 << 20  # bytes that are looked at first
_BOM = b"\xef\xbb\xbf"


def json_kind(path: Path) -> str:
    """`RECORDS` (Inst2Seg, one per line), `LIST`, `COCO`, or "" for anything else."""
    if not path.is_file() or not path.stat().st_size:
        return ""
    with path.open("rb") as stream:
        head = stream.read(_HEAD).removeprefix(_BOM).lstrip()
        if head.startswith(b"["):
            return LIST
        if not head.startswith(b"{"):
            return ""
        if isinstance(line := _first_line(head), dict) and "phrases" in line:
            return RECORDS
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return COCO if all(content.find(key) >= 0 for key in (b'"images"', b'"annotations"')) else ""


def _first_line(head: bytes) -> Any:
    try:
        return json.loads(head.split(b"\n", 1)[0])
    except (ValueError, RecursionError):
        return None
