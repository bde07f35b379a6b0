"""The kind of a JSON file from a few of its bytes, so that a large one is not parsed to find its reader."""

from __future__ import annotations

import json
import mmap
from pathlib import Path
from typing import Any

RECORDS, INST2SEG, COCO, CONCEPTS = "records", "inst2seg", "coco", "concepts"
_KEYS = {
    b"[": (INST2SEG, (b'"image"', b'"annotation"')),
    b"{": (COCO, (b'"images"', b'"annotations"')),
}
_PHRASE = b'"text_input"'
_HEAD = 1 << 20  # bytes that are looked at first
_BOM = b"\xef\xbb\xbf"


def json_kind(path: Path) -> str:
    """`RECORDS` (Inst2Seg, one per line), `INST2SEG` (published, a list), `COCO`, or "" for anything else.

    `CONCEPTS` is COCO with a noun phrase for each entry of `images`, as in SA-Co.
    """
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
            if not all(content.find(key) >= 0 for key in keys):
                return ""
            first = content.find(keys[0])
            has_phrase = kind == COCO and content.find(_PHRASE, first, first + _HEAD) >= 0
            return CONCEPTS if has_phrase else kind


def _first_line(head: bytes) -> Any:
    try:
        return json.loads(head.split(b"\n", 1)[0])
    except (ValueError, RecursionError):
        return None
