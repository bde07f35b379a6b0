"""Write a small data set with kinds that no shipped model knows: `python tools/make_photo_set.py OUT --images 2000`.

OUT gets train.json, val.json and test.json (COCO, one mask per object) and their JPEG images in train/, val/ and test/.
Scenes are those of the drawn world, with about half of their kinds replaced by the new ones of `photo_set_kinds`.
val/ and test/ also get records.jsonl, a benchmark for `instructsam evaluate OUT/test`: rows about kinds in the image,
and as many about kinds that are absent from it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from photo_set_kinds import NEW_KINDS
from PIL import Image

from instructsam.data.record import ImageRef, InstanceRecord, PhraseRecord, Record, write_records
from instructsam.structures.boxes import xyxy_to_xywh
from instructsam.structures.masks import encode_rle, mask_boxes_xyxy
from instructsam.world.scenes.drawings.registry import DRAWINGS
from instructsam.world.scenes.layout import sample_scene
from instructsam.world.scenes.render import render_scene
from instructsam.world.scenes.scene import KINDS, RenderedScene, Scene, SceneSettings

SCENES = SceneSettings(min_objects=2, max_objects=8, layouts=("scattered", "row", "groups"))
SPLIT_NUMBERS = {"train": 0, "val": 1, "test": 2}
SEED_SLOT, SEED_SLOTS = 14, 16  # no scene of the world has a seed that is congruent to 14 modulo 16
REPLACED = 0.5  # share of the kinds of a scene
LEAST_VISIBLE = 0.35
ROWS = 2  # per image and answer: present or absent, each for new and for known kinds
JPEG_QUALITY = 92


def with_new_kinds(scene: Scene, rng: Random, new: list[str]) -> Scene:
    """The scene with some of its kinds replaced throughout, so that repeated kinds stay repeated."""
    kinds = sorted({thing.kind for thing in scene.objects})
    renamed = {kind: rng.choice(new) if rng.random() < REPLACED else kind for kind in kinds}
    objects = tuple(
        replace(thing, kind=renamed[thing.kind], tilt=max(-limit, min(limit, thing.tilt)))
        for thing in scene.objects
        for limit in [float(DRAWINGS[renamed[thing.kind]].max_tilt)]
    )
    return replace(scene, objects=objects)


def scenes(split: str, count: int, seed: int, short_side: int, new: list[str]) -> Iterator[RenderedScene]:
    """`count` scenes of a split in which every object is mostly visible."""
    rng = Random(seed * len(SPLIT_NUMBERS) + SPLIT_NUMBERS[split])
    while count:
        scene_seed = rng.getrandbits(40) * SEED_SLOTS + SEED_SLOT
        rendered = render_scene(with_new_kinds(sample_scene(scene_seed, SCENES), rng, new), short_side)
        if rendered.visible_fraction.min() >= LEAST_VISIBLE:
            count -= 1
            yield rendered


def instances(rendered: RenderedScene) -> list[InstanceRecord]:
    """The objects of a scene with mask, box and kind."""
    boxes = xyxy_to_xywh(mask_boxes_xyxy(rendered.masks)).tolist()
    return [
        InstanceRecord(encode_rle(mask), tuple(map(float, box)), thing.kind)
        for mask, box, thing in zip(rendered.masks, boxes, rendered.scene.objects, strict=True)
    ]


def rows(image: ImageRef, objects: list[InstanceRecord], rng: Random, new: list[str]) -> Iterator[Record]:
    """Instructions about kinds in the image, and as many about kinds that are absent."""
    here = {thing.category for thing in objects}
    for name, kinds in (("new", new), ("known", list(KINDS))):
        present = sorted(here.intersection(kinds))
        absent = sorted(set(kinds) - here)
        for family, found in ((f"{name} kind", present), (f"absent {name} kind", absent)):
            for kind in rng.sample(found, min(ROWS, len(found), len(present))):
                answer = tuple(thing for thing in objects if thing.category == kind)
                phrase = PhraseRecord(kind, answer)
                yield Record(f"{image.file}: {kind}", image, kind, (phrase,), family)


def write_split(out: Path, split: str, count: int, seed: int, short_side: int, new: list[str]) -> None:
    """Write the images of a split and its files."""
    folder, rng = out / split, Random(seed)
    folder.mkdir(parents=True)
    numbers = {kind: number for number, kind in enumerate((*KINDS, *new), start=1)}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    records: list[Record] = []
    for number, rendered in enumerate(scenes(split, count, seed, short_side, new), start=1):
        height, width = rendered.image.shape[:2]
        image = ImageRef(f"{number:06d}.jpg", height, width)
        Image.fromarray(rendered.image).save(folder / image.file, quality=JPEG_QUALITY)
        images.append({"id": number, "file_name": image.file, "height": height, "width": width})
        objects = instances(rendered)
        for thing, mask in zip(objects, rendered.masks, strict=True):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": numbers[thing.category],
                    "segmentation": thing.rle,
                    "bbox": list(thing.box_xywh),
                    "area": int(np.count_nonzero(mask)),
                    "iscrowd": 0,
                }
            )
        records.extend(rows(image, objects, rng, new))
    categories = [{"id": number, "name": kind} for kind, number in numbers.items()]
    document = {"images": images, "annotations": annotations, "categories": categories}
    (out / f"{split}.json").write_text(json.dumps(document), encoding="utf-8")
    if split != "train":
        write_records(folder / "records.jsonl", records)
    print(f"{split}: {len(images)} images, {len(annotations)} objects")


def main() -> None:
    """Write the three splits."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="a folder that does not exist yet")
    parser.add_argument("--images", type=int, default=2000, help="images to train on")
    parser.add_argument("--held-out", type=int, default=300, help="images of val and of test, each")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--short-side", type=int, default=256, help="px")
    parser.add_argument("--kinds", nargs="+", choices=sorted(NEW_KINDS), default=sorted(NEW_KINDS))
    options = parser.parse_args()
    if options.out.exists():
        parser.error(f"{options.out} exists: name a folder that does not")
    DRAWINGS.update({kind: NEW_KINDS[kind] for kind in options.kinds})
    counts = {"train": options.images, "val": options.held_out, "test": options.held_out}
    for split, count in counts.items():
        write_split(options.out, split, count, options.seed, options.short_side, options.kinds)


if __name__ == "__main__":
    main()
