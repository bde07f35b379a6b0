"""Records to look at: a few of each kind, the same ones every time, drawn with everything that is known of them."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instructsam.data.image_store import ImageStore
from instructsam.data.record import InstanceRecord, Record
from instructsam.data.regions import region_code
from instructsam.data.targets import decode_all
from instructsam.errors import InputError
from instructsam.experiments.data_check.selection import Selection, digest_of
from instructsam.visualization.overlay import draw_focus
from instructsam.visualization.palette import color_of, to_hex
from instructsam.visualization.patches import cut_patches, fit
from instructsam.visualization.regions import draw_points, hatch

COUNT = 12
_SPARE = 3  # times as many candidates, since some images are missing or shown already
_MOST_PIXELS = 420 * 320  # of a picture
_LINE = 2  # px
_QUALITY = 82
_MOST_OBJECTS = 200  # that are drawn


@dataclass(frozen=True)
class Entry:
    """A phrase in the legend of a picture."""

    text: str
    color: str
    objects: str


@dataclass(frozen=True)
class Picture:
    """One drawn record: a JPEG as base64 text, and its legend."""

    id: str
    file: str
    size: str
    instruction: str
    phrases: tuple[Entry, ...]
    notes: tuple[str, ...]
    jpeg: str


class PictureChoice:
    """Chooses records to look at, by their kind: how many targets and phrases, and what is known of them."""

    def __init__(self, count: int = COUNT) -> None:
        self.count = count
        self._kinds: dict[str, Selection[Record]] = {}

    def add(self, record: Record) -> None:
        """Offer one more record."""
        chosen = self._kinds.setdefault(kind_of(record), Selection(self.count * _SPARE))
        chosen.add(digest_of(record.image.file, record.id), record)

    def records(self) -> Iterator[Record]:
        """One of each kind in turn; records about an image that was given already come last."""
        queues = {kind: self._kinds[kind].items() for kind in sorted(self._kinds)}
        in_turn = [
            queue[turn]
            for turn in range(max(map(len, queues.values()), default=0))
            for queue in queues.values()
            if turn < len(queue)
        ]
        seen: set[str] = set()
        again: list[Record] = []
        for record in in_turn:
            if record.image.file in seen:
                again.append(record)
            else:
                seen.add(record.image.file)
                yield record
        yield from again

    def draw(self, images: ImageStore) -> list[Picture]:
        """The pictures; a record whose image cannot be read is passed over, since the image check counts it."""
        pictures: list[Picture] = []
        for record in self.records():
            if len(pictures) == self.count:
                break
            try:
                pictures.append(draw_record(record, images.load(record)))
            except InputError:
                continue
        return pictures


def kind_of(record: Record) -> str:
    """The kind of a record, for a choice of all kinds."""
    objects = [thing for phrase in record.phrases for thing in phrase.instances]
    if not objects:
        return "regions alone" if record.crowds or record.ignore is not None else "no target"
    known = "+".join(sorted({thing.known for thing in objects}))
    regions = " and regions" if record.crowds or record.ignore is not None else ""
    phrases = "several phrases" if len(record.phrases) > 1 else "one phrase"
    return f"{known}, {'one object' if len(objects) == 1 else 'objects'}, {phrases}{regions}"


def draw_record(record: Record, pixels: NDArray[np.uint8]) -> Picture:
    """The image of a record with its objects in colour; everything else is grey where masks or boxes are known."""
    height, width = pixels.shape[:2]
    scale = (_MOST_PIXELS / (height * width)) ** 0.5
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    several = len(record.phrases) > 1
    objects = [(number, thing) for number, one in enumerate(record.phrases) for thing in one.instances]
    colors = [number if several else place for place, (number, _) in enumerate(objects)][:_MOST_OBJECTS]
    shown = [thing for _, thing in objects][:_MOST_OBJECTS]
    codes = [region_code(thing, record.image) for thing in shown]
    patches = [patch for code in codes for patch in cut_patches(decode_all([code], record), size)]
    drawn = fit(Image.fromarray(pixels), size)
    if any(
        thing.known != "point" for thing in shown
    ):  # greyed, the surroundings of points would tell nothing
        drawn = draw_focus(drawn, patches, colors, _LINE)
    ignored = [*record.crowds, *([] if record.ignore is None else [record.ignore])]
    if ignored:
        region = Image.fromarray(decode_all(ignored, record).any(axis=0))
        drawn = hatch(drawn, np.asarray(region.resize(size, Image.Resampling.NEAREST)))
    points = [
        ((thing.point_xy[0] * scale, thing.point_xy[1] * scale), color)
        for thing, color in zip(shown, colors, strict=True)
        if thing.known == "point" and thing.point_xy is not None
    ]
    drawn = draw_points(drawn, [point for point, _ in points], [color for _, color in points])
    stream = io.BytesIO()
    drawn.save(stream, "JPEG", quality=_QUALITY)
    return Picture(
        record.id,
        record.image.file,
        f"{width} x {height} px",
        record.instruction,
        tuple(
            Entry(phrase.text, to_hex(color_of(number)) if several else "", _counted(phrase.instances))
            for number, phrase in enumerate(record.phrases)
        ),
        tuple(_notes(record, len(objects))),
        base64.b64encode(stream.getvalue()).decode("ascii"),
    )


def _counted(instances: tuple[InstanceRecord, ...]) -> str:
    """Such as "2 masks, 1 box"."""
    plurals = {"mask": "masks", "box": "boxes", "point": "points"}
    counts = {name: sum(thing.known == name for thing in instances) for name in plurals}
    words = [f"{count} {name if count == 1 else plurals[name]}" for name, count in counts.items() if count]
    return ", ".join(words) or "no target"


def _notes(record: Record, objects: int) -> Iterator[str]:
    if record.crowds or record.ignore is not None:
        yield "hatched: pixels that count for nothing"
    if objects > _MOST_OBJECTS:
        yield f"only {_MOST_OBJECTS} of {objects} objects are drawn"
