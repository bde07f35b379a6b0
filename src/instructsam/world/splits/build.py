"""The world's benchmark splits as Inst2Seg records, in memory or on disk; the same bytes every time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from PIL import Image

from instructsam.data.record import ImageRef, InstanceRecord, PhraseRecord, Record, write_records
from instructsam.errors import ConfigError, InputError
from instructsam.structures.boxes import xyxy_to_xywh
from instructsam.structures.files import reason
from instructsam.structures.masks import encode_rle, mask_boxes_xyxy
from instructsam.world.instructions.instruction import Instruction
from instructsam.world.scenes.scene import FAMILY_OF, RenderedScene, SceneObject
from instructsam.world.splits.names import SPLIT_NAMES, Split
from instructsam.world.splits.stream import WorldSettings, world_sample

SCENES = 300
INSTRUCTIONS = 1000
SHORT_SIDE = 256
SEED = 0
CALIBRATION_SEED = 1_000_003  # scenes like those of training, which no run draws: for choosing thresholds


def benchmark_records(split: Split, limit: int | None = None) -> Iterator[tuple[Image.Image, Record]]:
    """The first `limit` (default all 1,000) records of a split with their pictures, RGB, short side 256 px.

    Records of one scene follow each other and share one image object.

    Raises:
        ConfigError: unknown split.
    """
    if split not in SPLIT_NAMES:
        raise ConfigError(f"a world split must be one of {', '.join(SPLIT_NAMES)}, got {split!r}")
    return islice(_records(split), limit)


def _records(split: Split) -> Iterator[tuple[Image.Image, Record]]:
    for index in range(SCENES):
        # 1,000 instructions do not divide evenly over 300 scenes: some scenes carry one more.
        count = INSTRUCTIONS * (index + 1) // SCENES - INSTRUCTIONS * index // SCENES
        settings = WorldSettings(
            short_sides=(SHORT_SIDE,), instructions_per_scene=count, split=stream_of(split)
        )
        sample = world_sample(CALIBRATION_SEED if split == "calibration" else SEED, index, settings)
        image = Image.fromarray(sample.rendered.image)
        for number, instruction in enumerate(sample.instructions):
            yield image, record_of(sample.rendered, instruction, f"{split}-{index:04d}", number)


def stream_of(split: Split) -> str:
    """The stream (`stream.SPLITS`) that a benchmark split is drawn from."""
    return "train" if split == "calibration" else split.removeprefix("test_")


def record_of(rendered: RenderedScene, instruction: Instruction, scene_id: str, number: int) -> Record:
    """The Inst2Seg record of an instruction; `meta` holds all that is needed to compute the answer again."""
    height, width = rendered.image.shape[:2]
    boxes = xyxy_to_xywh(mask_boxes_xyxy(rendered.masks))
    objects = rendered.scene.objects

    def instance(index: int) -> InstanceRecord:
        x, y, box_width, box_height = (float(value) for value in boxes[index])
        kind = objects[index].kind
        return InstanceRecord(encode_rle(rendered.masks[index]), (x, y, box_width, box_height), kind)

    return Record(
        id=f"{scene_id}-{number}",
        image=ImageRef(f"images/{scene_id}.png", height, width),
        instruction=instruction.text,
        phrases=tuple(
            PhraseRecord(phrase.text, tuple(instance(index) for index in phrase.instances))
            for phrase in instruction.phrases
        ),
        family=instruction.family,
        meta={
            "program": instruction.program,
            "template": instruction.template,
            "scene_seed": rendered.scene.seed,
            **({"original": instruction.original} if instruction.original else {}),
            "objects": [
                [_attributes(objects[i]) for i in phrase.instances] for phrase in instruction.phrases
            ],
        },
    )


def _attributes(thing: SceneObject) -> dict[str, str]:
    """The attributes of an object by itself."""
    return {
        "kind": thing.kind,
        "family": FAMILY_OF[thing.kind],
        "color": thing.color,
        "size": thing.size,
        "pattern": thing.pattern,
    }


def build_split(split: Split, out_dir: str | Path) -> Path:
    """Write `images/*.png` and `records.jsonl` of a split into a folder and return the path of the records.

    `records.jsonl` appears once all records are written.

    Raises:
        ConfigError: unknown split.
        InputError: the folder holds records already, or cannot be written.
    """
    folder = Path(out_dir)
    path, unfinished = folder / "records.jsonl", folder / ".writing-records.jsonl"
    pairs = benchmark_records(split)
    if path.exists():
        raise InputError(
            f"{path} exists already: choose another folder, or remove the file to build it again"
        )
    try:
        (folder / "images").mkdir(parents=True, exist_ok=True)
        write_records(unfinished, _saved(pairs, folder))
        os.replace(unfinished, path)
    except OSError as error:
        raise InputError(f"{folder}: the split cannot be written ({reason(error)})") from error
    return path


def _saved(pairs: Iterator[tuple[Image.Image, Record]], folder: Path) -> Iterator[Record]:
    """The records, each picture saved once before its first record."""
    saved = ""
    for image, record in pairs:
        if record.image.file != saved:
            image.save(folder / record.image.file)
            saved = record.image.file
        yield record
