"""Small published files, made by hand: pictures of 6 x 10 pixels, masks that one can count."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instructsam.data.record import Record, parse_record, record_to_dict
from instructsam.structures.masks import decode_rle, encode_rle

HEIGHT, WIDTH = 6, 10


def block(x: int, y: int, width: int, height: int) -> NDArray[np.bool_]:
    """bool [6, 10], one rectangle."""
    mask = np.zeros((HEIGHT, WIDTH), dtype=np.bool_)
    mask[y : y + height, x : x + width] = True
    return mask


def corners(x: int, y: int, width: int, height: int) -> list[int]:
    """COCO's polygon of the rectangle `block` draws."""
    return [x, y, x + width, y, x + width, y + height, x, y + height]


def write(path: Path, value: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def picture(path: Path, size: tuple[int, int] = (WIDTH, HEIGHT)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, "gray").save(path)


def boxes(record: Record) -> list[list[tuple[float, ...]]]:
    """Boxes (x, y, w, h) of each phrase's instances, after a check that the record would be read again."""
    assert parse_record(record_to_dict(record), "here") == record
    return [[one.box_xywh for one in phrase.instances] for phrase in record.phrases]


def areas(record: Record) -> list[int]:
    return [int(decode_rle(one.rle).sum()) for phrase in record.phrases for one in phrase.instances]


def code_text(mask: NDArray[np.bool_]) -> str:
    return json.dumps(encode_rle(mask))
