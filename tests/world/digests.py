"""Digests of what the world generates, to prove that a change of its code changes no byte.

    python -m tests.world.digests --out DIR      # every part as a text file, at full size, and its digest
    python -m tests.world.digests --record       # digests.json: the small size that test_digests.py compares

Two folders of the first form are compared with `diff -r`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from instructsam.data.record import Record, record_to_dict
from instructsam.world.instructions.caption import caption
from instructsam.world.instructions.generate import instructions_about
from instructsam.world.instructions.instruction import Instruction
from instructsam.world.instructions.invented import with_invented_word
from instructsam.world.instructions.negatives import hard_negatives
from instructsam.world.scenes.blank import blank_pictures
from instructsam.world.scenes.layout import sample_scene
from instructsam.world.scenes.render import render_scene
from instructsam.world.scenes.scene import PILES
from instructsam.world.scenes.sheet import kind_sheet
from instructsam.world.splits.build import benchmark_records
from instructsam.world.splits.names import Split
from instructsam.world.splits.own_words import own_words
from instructsam.world.splits.stream import WorldSettings, all_texts, world_sample
from tests.world.cached import first_records
from tests.world.random_facts import random_facts

RECORDED = Path(__file__).with_name("digests.json")
SETTINGS = {
    "default": WorldSettings(short_sides=(64,)),
    "sides": WorldSettings(short_sides=(48, 72), instructions_per_scene=3, max_objects=5),
    "piles": WorldSettings(short_sides=(64,), layouts=(PILES,), min_objects=3),
    "families": WorldSettings(short_sides=(64,), families=("logic", "counting", "multi")),
    "shares": WorldSettings(short_sides=(64,), family_shares={"knowledge": 6.0, "multi": 0.0}),
    "colors": WorldSettings(short_sides=(64,), nouns="colors"),
    "kinds": WorldSettings(short_sides=(64,), nouns="kinds"),
    "all": WorldSettings(short_sides=(64,), nouns="all"),
}


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _pixels(image: NDArray[np.uint8]) -> str:
    return f"{image.shape} {_digest(np.ascontiguousarray(image).tobytes())}"


def _line(instruction: Instruction) -> str:
    return json.dumps(asdict(instruction))


def stream(name: str, scenes: int) -> Iterator[str]:
    """Pictures, instructions, captions and invented words of a training stream."""
    for index in range(scenes):
        seed = (0, 3, 11)[index % 3]
        sample = world_sample(seed, index, SETTINGS[name])
        rng = np.random.default_rng([seed, index])
        yield f"{_pixels(sample.rendered.image)} {_digest(np.packbits(sample.rendered.masks).tobytes())}"
        yield " / ".join(caption(sample.rendered, index % 2))
        for instruction in sample.instructions:
            yield _line(instruction)
            unknown = with_invented_word(instruction, rng)
            if unknown is not None:
                yield _line(unknown)


def plain_scenes(split: str, scenes: int) -> Iterator[str]:
    """Instructions about scenes made of numbers, which are cheap."""
    for seed in range(scenes):
        facts = random_facts(seed)
        rng = np.random.default_rng(seed)
        if split != "hard_negative":
            made = instructions_about(facts, rng, 8, split)
        else:
            made = hard_negatives(facts, rng, 2, split) if len(facts.seen.objects) > 1 else []
        yield from (_line(one) for one in made)


def records(split: Split | None, limit: int) -> Iterator[str]:
    """The first records of a benchmark split; of the instructions in own words without one."""
    chosen = own_words(limit) if split is None else benchmark_records(split, limit)
    if split is not None and limit <= len(first_records(split)):
        chosen = iter(first_records(split)[:limit])
    for image, record in chosen:
        yield _pixels(np.asarray(image))
        yield _record(record)


def _record(record: Record) -> str:
    return json.dumps(record_to_dict(record))


def pictures(count: int) -> Iterator[str]:
    """Rendered scenes at several sizes, pictures without anything, and the sheet of kinds."""
    for seed in range(count):
        scene = sample_scene(seed)
        yield repr(scene)
        for side in (40, 96, 200)[: 1 + seed % 3]:
            rendered = render_scene(scene, side)
            yield f"{_pixels(rendered.image)} {_pixels(rendered.full_boxes_xyxy.view(np.uint8))}"
    yield from (f"{kind} {_pixels(image)}" for kind, image in blank_pictures(count, 64))
    if count >= 100:
        yield _pixels(np.asarray(kind_sheet()))


def parts(full: bool) -> dict[str, Callable[[], Iterator[str]]]:
    """Every part by name, at full size or small."""
    found: dict[str, Callable[[], Iterator[str]]] = {}
    for name in SETTINGS:
        count = (250 if name == "default" else 50) if full else 3
        found[f"stream-{name}"] = lambda name=name, count=count: stream(name, count)  # type: ignore[misc]
    for split in ("train", "test", "unseen_wording", "hard_negative"):
        count = 500 if full else 12
        found[f"plain-{split}"] = lambda split=split, count=count: plain_scenes(split, count)  # type: ignore[misc]
    for name in (*get_args(Split), None):
        limit = 100 if full else 3
        found[f"records-{name or 'own_words'}"] = lambda name=name, limit=limit: records(name, limit)  # type: ignore[misc]
    found["pictures"] = lambda: pictures(150 if full else 7)
    found["texts"] = lambda: all_texts(500 if full else 40, 5)
    return found


def digest(name: str) -> str:
    """The digest of a part at small size."""
    return _digest("\n".join(parts(full=False)[name]()).encode())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--record", action="store_true")
    arguments = parser.parse_args()
    if arguments.record:
        RECORDED.write_text(json.dumps({name: digest(name) for name in parts(full=False)}, indent=2) + "\n")
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        for name, lines in parts(full=True).items():
            text = "\n".join(lines())
            (arguments.out / f"{name}.txt").write_text(text)
            print(name, _digest(text.encode()))


if __name__ == "__main__":
    main()
