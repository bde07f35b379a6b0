"""RoboRefIt: expressions with mask pictures."""

from __future__ import annotations

import unicodedata
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from instructsam.data.formats.roborefit import EMPTY_MASK, read_roborefit
from instructsam.data.formats.source import Tally
from instructsam.errors import RecordError

from .helpers import block, boxes, write


def entry(number: int, mask: str = "0", **changes: Any) -> dict[str, Any]:
    return {
        "num": number,
        "text": f"the cup {number}",
        "bbox": [1, 1, 3, 3],
        "rgb_path": "final_dataset\\testA\\image\\0000001.png",
        "depth_path": "final_dataset\\testA\\depth\\0000001.png",
        "mask_path": f"final_dataset\\testA\\mask\\0000001\\{mask}.png",
        "scene": "table",
        "class": "cup",
        **changes,
    }


def read(root: Path, entries: list[dict[str, Any]], tally: Tally) -> list[Any]:
    path = write(root / "roborefit/final_dataset/testA/roborefit_testA.json", entries)
    return list(read_roborefit(path, root / "roborefit", root, tally))


def save_mask(root: Path, name: str, mask: NDArray[np.bool_]) -> None:
    path = root / f"roborefit/final_dataset/testA/mask/0000001/{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask.astype(np.uint8) * 255).save(path)


def test_records_of_one_picture_follow_one_another(tmp_path: Path) -> None:
    save_mask(tmp_path, "0", block(1, 1, 3, 3))
    save_mask(tmp_path, "black", block(0, 0, 0, 0))
    other = entry(1, rgb_path="final_dataset/testA/image/2.png")
    tally = Tally()
    records = read(tmp_path, [entry(0), other, entry(2), entry(3, "black")], tally)
    assert [record.id for record in records] == [
        "roborefit_testA-0",
        "roborefit_testA-2",
        "roborefit_testA-1",
    ]
    assert records[0].image.file == "roborefit/final_dataset/testA/image/0000001.png"
    assert (records[0].instruction, records[0].family) == ("the cup 0", "table")
    assert boxes(records[0]) == [[(1, 1, 3, 3)]]
    assert dict(tally.left_out) == {EMPTY_MASK: 1}


def test_a_mask_picture_goes_through_the_one_loader(tmp_path: Path) -> None:
    """An EPS named .png would start Ghostscript, and a header can ask for any memory."""
    path = tmp_path / "roborefit/final_dataset/testA/mask/0000001/0.png"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    with pytest.raises(
        RecordError, match=r"\[0\].mask_path: the mask cannot be read: .*not an image that can be"
    ):
        read(tmp_path, [entry(0)], Tally())
    Image.new("L", (6, 6)).save(path)
    content = path.read_bytes()
    head = b"IHDR" + (90_000).to_bytes(4, "big") * 2 + content[24:29]
    path.write_bytes(content[:12] + head + zlib.crc32(head).to_bytes(4, "big") + content[33:])
    with pytest.raises(RecordError, match=r"the mask cannot be read: .*megapixels"):
        read(tmp_path, [entry(0)], Tally())


def test_names_in_another_composition_are_found(tmp_path: Path) -> None:
    save_mask(tmp_path, unicodedata.normalize("NFD", "é"), block(1, 1, 3, 3))
    (record,) = read(tmp_path, [entry(0, unicodedata.normalize("NFC", "é"))], Tally())
    assert boxes(record) == [[(1, 1, 3, 3)]]


def test_malformed_entries_are_named(tmp_path: Path) -> None:
    with pytest.raises(
        RecordError,
        match=r"at \[0\].mask_path: the mask cannot be read: .*0.png: there is no such file; put the",
    ):
        read(tmp_path, [entry(0)], Tally())
    with pytest.raises(RecordError, match=r"at \[0\].rgb_path.*: expected a path with forward slashes"):
        read(tmp_path, [entry(0, rgb_path="..\\x.png")], Tally())
