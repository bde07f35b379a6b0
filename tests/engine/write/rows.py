"""A folder of images with accepted candidates, for the tests of the export."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from instructsam.data.image_store import FolderImages
from instructsam.data.record import ImageRef, InstanceRecord
from instructsam.engine.candidates import PERSON, Candidate, CandidatePhrase, Decision, Kind
from instructsam.engine.row_images import StoreImages
from instructsam.engine.rows import ImageRow
from instructsam.engine.write.provenance import RunFacts
from instructsam.engine.write.selected import Selected, Split
from instructsam.structures.masks import encode_rle

SIDE = 48
FACTS = RunFacts("proposer-7b", "verifier-7b", {"propose": "1a2b", "vote": "3c4d"}, {"verify": {"votes": 3}})


def square(x: int, y: int, category: str = "mug", side: int = 10) -> InstanceRecord:
    mask = np.zeros((SIDE, SIDE), dtype=np.bool_)
    mask[y : y + side, x : x + side] = True
    return InstanceRecord(encode_rle(mask), (float(x), float(y), float(side), float(side)), category)


def save_photo(path: Path, grey: int) -> None:
    pixels = np.full((SIDE, SIDE, 3), grey, np.uint8)
    pixels[4:14, 2:12] = pixels[4:14, 30:40] = 220
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def accepted(
    row: str, number: int, kind: Kind, text: str, *phrases: tuple[str, tuple[int, ...]], person: bool = False
) -> Decision:
    parts = tuple(CandidatePhrase(phrase, numbers) for phrase, numbers in phrases)
    votes = {"votes": 3.0, "agreement": 1.0, **({PERSON: 1.0} if person else {})}
    return Decision(
        Candidate(f"{row}#{number}", kind, text, parts, round=number % 2), "accepted", votes=votes
    )


def make_row(file: str, licence: str = "CC BY 4.0") -> ImageRow:
    """Two mugs and a pen."""
    objects = (square(2, 4), square(30, 4), square(20, 30, "pen", 6))
    return ImageRow(file, ImageRef(file, SIDE, SIDE), objects, "shop/instances.json", licence)


def candidates(row: ImageRow) -> list[Decision]:
    """One for each number of targets, and one with two phrases."""
    return [
        accepted(row.id, 0, "category", "Segment the mugs.", ("the mugs", (1, 2))),
        accepted(row.id, 1, "order", "the mug on the right", ("the mug on the right", (2,)), person=True),
        accepted(row.id, 2, "absent", "the green chair", ("the green chair", ())),
        accepted(row.id, 3, "several", "the left mug and the pen", ("the left mug", (1,)), ("the pen", (3,))),
    ]


def make_set(folder: Path, files: tuple[str, ...]) -> Iterator[Selected]:
    """Images with all of `candidates`; every third image is for validation. Writes the images."""
    for place, file in enumerate(files):
        save_photo(folder / file, 40 + 10 * place)
        row = make_row(file)
        split: Split = "val" if place % 3 == 2 else "train"
        yield from (Selected(row, decision, split) for decision in candidates(row))


def with_crowd(one: Selected) -> Selected:
    """The row has a crowd of pens, too."""
    crowd = {"rle": square(0, 40, side=8).rle, "category": "pen"}
    return replace(one, row=replace(one.row, meta={"crowds": [crowd]}))


def images_of(folder: Path) -> StoreImages:
    return StoreImages(FolderImages(folder))


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of all files below a folder."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
