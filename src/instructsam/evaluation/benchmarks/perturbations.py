"""Changed pictures with answers that are still known: pure functions from (image, record) to (image, record).

A function raises `LeftOutError` with the reason where the answer could change or cannot be proved; reasons are
counted. Numpy and pillow only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from instructsam.data.record import ImageRef, InstanceRecord, Record
from instructsam.errors import InputError
from instructsam.images.loader import load_bytes
from instructsam.structures.masks import decode_rle, encode_rle
from instructsam.world.programs.operations import from_dict
from instructsam.world.scenes.facts import Facts
from instructsam.world.scenes.layout import sample_scene
from instructsam.world.scenes.render import SHORT_SIDES, render_scene
from instructsam.world.scenes.scene import RenderedScene, SceneSettings
from instructsam.world.splits.own_words import SETTINGS as OWN_WORDS
from instructsam.world.splits.stream import SPLITS, WorldSettings, scene_settings

Sample = tuple[Image.Image, Record]
Perturbation = Callable[[Image.Image, Record], Sample]
Box = tuple[int, int, int, int]

LEAST_CUT = 0.1  # of the picture's width or height: a smaller crop would show next to nothing new
# Settings that an image of the world may be drawn with; the pixels show which one it was.
SCENE_SETTINGS: tuple[SceneSettings, ...] = tuple(
    dict.fromkeys((*(scene_settings(WorldSettings(split=split)) for split in SPLITS), OWN_WORDS))
)

_OTHER = {"left": "right", "right": "left"}
_WORD = re.compile(r"(?<![^\W_])(left|right)(?=(?:most|hand|wards?)?(?![^\W_]))", re.IGNORECASE)
# "Left" and "right" that are no directions; nobody can mirror "all right".
_IDIOM = re.compile(
    r"\b(?:all right|alright|right (?:now|away|here|there|next to|in|on top|above|below|under)|am i right|"
    r"(?:is|are|was|were|what's) left\b(?! of)|left (?:over|out|alone|behind)|"
    r"the right (?:one|ones|thing|answer|size|tool))\b|,\s*right\s*\?|^right,",
    re.IGNORECASE,
)
# Words for places of the picture itself, which a crop moves.
_PLACE = re.compile(
    r"\b(?:half|corner|side|part|middle|cent(?:re|er)|edge|quarter|third of)\b", re.IGNORECASE
)


class LeftOutError(InputError):
    """The changed picture has no answer that is known; the message is the reason."""


def swap_sides(text: str) -> str:
    """The text with left and right exchanged, both at once, in whole words: "leftmost", "left-hand", "left_of"."""

    def other(match: re.Match[str]) -> str:
        word = match[0]
        swapped = _OTHER[word.lower()]
        return swapped.upper() if word.isupper() else swapped.title() if word[0].isupper() else swapped

    return _WORD.sub(other, text)


def swap_program(data: Any) -> Any:
    """A stored program, or any JSON value, with the sides exchanged in every string but its keys."""
    if isinstance(data, Mapping):
        return {key: swap_program(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [swap_program(value) for value in data]
    return swap_sides(data) if isinstance(data, str) else data


def flip(image: Image.Image, record: Record) -> Sample:
    """Left and right exchanged in picture, masks, words, phrases and program.

    Raises:
        LeftOutError: "left" or "right" has another sense than in the program.
    """
    program = record.meta.get("program")
    if _IDIOM.search(record.instruction):
        raise LeftOutError("left or right may not be a direction")
    if program and _sides(record.instruction) != {
        side for text in _strings(program) for side in _sides(text)
    }:
        raise LeftOutError("words and program do not name the same sides")
    mirrored = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    width = record.image.width

    def box(x: float, y: float, w: float, h: float) -> tuple[float, float, float, float]:
        return width - x - w, y, w, h

    changed = _remade(record, lambda mask: mask[:, ::-1], box, record.image)
    texts = [replace(phrase, text=swap_sides(phrase.text)) for phrase in changed.phrases]
    return mirrored, replace(
        changed,
        instruction=swap_sides(record.instruction),
        phrases=tuple(texts),
        meta={key: swap_program(value) for key, value in record.meta.items()},
    )


def crop(image: Image.Image, record: Record) -> Sample:
    """A part of the picture that holds every object whole; the program is executed again on what is left.

    The cut takes a random part, the same every time, of each margin around the union of all objects' boxes.

    Raises:
        LeftOutError: the answer could change or cannot be proved.
    """
    programs = [from_dict(data) for data in record.meta.get("program", {}).get("phrases", ())]
    if not programs:
        raise LeftOutError("no program to prove the answer again")
    said = set(_strings(record.meta["program"]))
    if _PLACE.search(record.instruction) or said & {"position", "onshelf"}:  # an empty board may be cut away
        raise LeftOutError("the words name a place of the picture itself")
    if "size" in said:
        raise LeftOutError("small and large go by the size of the picture")
    rendered = scene_of(image, record)
    if rendered is None:
        raise LeftOutError("the scene of the picture is not known")
    left, top, right, bottom = window = crop_window(rendered)
    height, width = rendered.image.shape[:2]
    if right - left > (1 - LEAST_CUT) * width and bottom - top > (1 - LEAST_CUT) * height:
        raise LeftOutError("next to nothing can be cut away")
    facts = Facts.of(rendered)
    after = cropped_facts(facts, (height, width), window)
    for program in programs:
        before = program.answer(facts)
        if before is None or before != program.answer(after):
            raise LeftOutError("the answer changes")

    def box(x: float, y: float, w: float, h: float) -> tuple[float, float, float, float]:
        return x - left, y - top, w, h

    size = ImageRef(record.image.file, bottom - top, right - left)
    return image.crop(window), _remade(record, lambda mask: mask[top:bottom, left:right], box, size)


def crop_window(rendered: RenderedScene) -> Box:
    """x1, y1, x2, y2 in px of the part that `crop` keeps; decided by the scene alone."""
    height, width = rendered.image.shape[:2]
    boxes = rendered.full_boxes_xyxy
    x1, y1 = np.maximum(np.floor(boxes[:, :2].min(axis=0)), 0)
    x2, y2 = np.minimum(np.ceil(boxes[:, 2:].max(axis=0)), (width, height))
    shares = np.random.default_rng([15, rendered.scene.seed]).random(4)
    margins = np.array((x1, y1, width - x2, height - y2))
    left, top, right, bottom = (int(value) for value in margins * shares)
    return left, top, width - right, height - bottom


def cropped_facts(facts: Facts, size: tuple[int, int], window: Box) -> Facts:
    """The facts as they are in the window of a picture of that (height, width)."""
    left, top, right, bottom = window
    height, width = size
    new_height, new_width = bottom - top, right - left
    across, down = width / new_width, height / new_height
    objects = tuple(
        replace(
            fact,
            x=(fact.x * width - left) / new_width,
            y=(fact.y * height - top) / new_height,
            area=fact.area * across * down,
            width=fact.width * across,
            height=fact.height * down,
        )
        for fact in facts.objects
    )
    return replace(facts, objects=objects, aspect=new_width / new_height, answers={})


def scene_of(image: Image.Image, record: Record) -> RenderedScene | None:
    """The scene that the picture shows, drawn again from its seed; None unless it has the same pixels."""
    seed = record.meta.get("scene_seed")
    short = min(image.size)
    if not isinstance(seed, int) or not SHORT_SIDES[0] <= short <= SHORT_SIDES[1]:
        return None
    pixels = np.asarray(image.convert("RGB"))
    return next((scene for scene in _candidates(seed, short) if np.array_equal(scene.image, pixels)), None)


def _candidates(seed: int, short_side: int) -> Iterator[RenderedScene]:
    for number in range(len(SCENE_SETTINGS)):
        yield _drawn(seed, short_side, number)


@lru_cache(maxsize=2 * len(SCENE_SETTINGS))
def _drawn(seed: int, short_side: int, number: int) -> RenderedScene:
    return render_scene(sample_scene(seed, SCENE_SETTINGS[number]), short_side)


def jpeg(quality: int) -> Perturbation:
    """Stored as JPEG and read again."""

    def change(image: Image.Image, record: Record) -> Sample:
        stored = BytesIO()
        image.save(stored, "JPEG", quality=quality)
        return load_bytes(stored.getvalue(), "the picture as JPEG").image, record

    return change


def brightness(factor: float) -> Perturbation:
    """Every channel times `factor`, cut at white."""

    def change(image: Image.Image, record: Record) -> Sample:
        return ImageEnhance.Brightness(image).enhance(factor), record

    return change


PERTURBATIONS: dict[str, Perturbation] = {
    "flip": flip,
    "crop": crop,
    "jpeg 30": jpeg(30),
    "brightness -30%": brightness(0.7),
    "brightness +30%": brightness(1.3),
}


def _sides(text: str) -> set[str]:
    return {match.lower() for match in _WORD.findall(text)}


def _strings(data: Any) -> Iterator[str]:
    """Every string value of a JSON value."""
    if isinstance(data, str):
        yield data
    elif isinstance(data, Mapping):
        for value in data.values():
            yield from _strings(value)
    elif isinstance(data, (list, tuple)):
        for value in data:
            yield from _strings(value)


def _remade(
    record: Record,
    change: Callable[[NDArray[np.bool_]], NDArray[np.bool_]],
    box: Callable[[float, float, float, float], tuple[float, float, float, float]],
    size: ImageRef,
) -> Record:
    """The record with every mask, box and point of it changed, and its picture's size."""

    def coded(rle: Mapping[str, Any]) -> dict[str, Any]:
        return encode_rle(np.ascontiguousarray(change(decode_rle(rle))))

    def changed(instances: tuple[InstanceRecord, ...]) -> tuple[InstanceRecord, ...]:
        return tuple(
            replace(
                item,
                rle=None if item.rle is None else coded(item.rle),
                box_xywh=None if item.box_xywh is None else box(*item.box_xywh),
                point_xy=None if item.point_xy is None else box(*item.point_xy, 0, 0)[:2],
            )
            for item in instances
        )

    return replace(
        record,
        image=size,
        phrases=tuple(replace(phrase, instances=changed(phrase.instances)) for phrase in record.phrases),
        ignore=None if record.ignore is None else coded(record.ignore),
        crowds=tuple(coded(crowd) for crowd in record.crowds),
        alternatives=tuple(changed(instances) for instances in record.alternatives),
    )
