"""Instructions written one by one in the manner of people, from no template, on scenes of their own.

Words and answers were chosen by hand, by the authors of this world: they imitate users, none of them is one.
own_words.jsonl has one instruction per line: `scene` (the seed of the scene), `part`, `style` (whom it imitates),
`instruction`, `family` (the ability that the answer needs) and `phrases`, each with its `text` and `objects`. Those
hold the `index` of each answer in the scene, and in `is` its colour and kind, so that a change of the drawn world
cannot make an answer another object unnoticed.

Lines of the part "open" may be inspected while a model is developed. Those of the part "closed" are scored once per
release and not inspected. All lines of one scene belong to the same part.

The scenes belong to no split, so that no change of the splits moves them: their seeds are congruent to 15 modulo 16, a
number that no split has (see `splits.stream`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib import resources
from itertools import groupby, islice
from typing import Any, Literal

from PIL import Image

from instructsam.data.record import Record
from instructsam.errors import InputError
from instructsam.structures.checks import parse_json
from instructsam.world.instructions.instruction import Instruction, PhraseAnswer
from instructsam.world.scenes.layout import sample_scene
from instructsam.world.scenes.render import render_scene
from instructsam.world.scenes.scene import Scene, SceneSettings
from instructsam.world.splits.build import record_of

SETTINGS = SceneSettings(min_objects=4, max_objects=9)
SHORT_SIDE = 256
FILE = "own_words.jsonl"
Part = Literal["open", "closed"]


def own_lines(part: Part | None = None) -> list[dict[str, Any]]:
    """The parsed lines of own_words.jsonl, of one part or all; those of one scene follow one another."""
    text = resources.files("instructsam.world.splits").joinpath(FILE).read_text(encoding="utf-8-sig")
    lines = text.splitlines()
    parsed = [parse_json(line, f"{FILE}, line {number}") for number, line in enumerate(lines, start=1)]
    return [line for line in parsed if part is None or line["part"] == part]


def own_words(limit: int | None = None, part: Part | None = None) -> Iterator[tuple[Image.Image, Record]]:
    """The first `limit` (default all) records of a part (default both) with their pictures, RGB, short side 256 px.

    Records of one scene follow each other and share one image object; `meta` holds `style` and `part`.

    Raises:
        InputError: an answer is another object than in the file.
    """
    return islice(_records(part), limit)


def _records(part: Part | None) -> Iterator[tuple[Image.Image, Record]]:
    for seed, lines in groupby(own_lines(part), key=lambda line: int(line["scene"])):
        rendered = render_scene(sample_scene(seed, SETTINGS), SHORT_SIDE)
        image = Image.fromarray(rendered.image)
        for number, line in enumerate(lines):
            record = record_of(rendered, _instruction(line, rendered.scene), f"own-{seed:04d}", number)
            yield image, replace(record, meta={**record.meta, "style": line["style"], "part": line["part"]})


def _instruction(line: Mapping[str, Any], scene: Scene) -> Instruction:
    phrases = tuple(
        PhraseAnswer(phrase["text"], tuple(_index(answer, scene) for answer in phrase["objects"]))
        for phrase in line["phrases"]
    )
    return Instruction(line["instruction"], phrases, line["family"], template="", program={})


def _index(answer: Mapping[str, Any], scene: Scene) -> int:
    index = int(answer["index"])
    found = "nothing"
    if 0 <= index < len(scene.objects):
        found = f"{scene.objects[index].color} {scene.objects[index].kind}"
    if found != answer["is"]:
        raise InputError(
            f"{FILE}: object {index} of scene {scene.seed} must be the {answer['is']}, but it is {found}: "
            "the drawn world has changed, so choose the answers again"
        )
    return index
