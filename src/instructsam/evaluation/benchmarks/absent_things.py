"""Instructions for what is not there: pictures without anything, and scenes with names of things that are absent."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from PIL import Image

from instructsam.data.record import ImageRef, PhraseRecord, Record
from instructsam.evaluation.benchmarks.benchmark import Benchmark, Sample
from instructsam.world.scenes.blank import SIDE, blank_pictures
from instructsam.world.splits.stream import WorldSettings, world_sample

# Ordinary things that the world does not have.
ABSENT_THINGS: tuple[str, ...] = (
    "the elephant",
    "a bicycle",
    "the traffic light",
    "a dog",
    "the horse",
    "a computer",
    "the telephone",
    "a guitar",
    "the piano",
    "a person",
    "the woman with the dog",
    "a train",
    "the motorcycle",
    "a helicopter",
    "the pizza",
    "a slice of cake",
    "the carrots",
    "an orange juice carton",
    "the bed",
    "a sofa",
    "the television",
    "a clock",
    "the book",
    "some pencils",
    "a pair of scissors",
    "the toothbrush",
    "a mirror",
    "the window blinds",
    "a fire hydrant",
    "the stop sign",
    "a skateboard",
    "the tennis racket",
    "a snowman",
    "the bridge",
    "a mountain",
    "the giraffe",
    "a zebra",
    "the spider",
    "a dinosaur",
    "the trousers",
)
ABSENT = "absent things on scenes"
_SCENE_SEED = 7_919


def questions(count: int) -> Iterator[tuple[str, Image.Image, str]]:
    """`count` pictures without anything, then `count` scenes: (type of picture, RGB image, instruction).

    Empty pictures come with the world's own instructions, scenes with the things of `ABSENT_THINGS` in turn.
    """
    for number, (kind, pixels) in enumerate(blank_pictures(count)):
        asked = world_sample(
            _SCENE_SEED, number, WorldSettings(short_sides=(64,), instructions_per_scene=1, split="val")
        )
        yield kind, Image.fromarray(pixels), asked.instructions[0].text
    for number in range(count):
        scene = world_sample(
            _SCENE_SEED,
            count + number,
            WorldSettings(short_sides=(SIDE,), instructions_per_scene=1, split="val"),
        )
        yield ABSENT, Image.fromarray(scene.rendered.image), ABSENT_THINGS[number % len(ABSENT_THINGS)]


def alarm_benchmark(count: int) -> Benchmark:
    """`questions` as records without a target; `family` is the type of picture."""

    def source(limit: int | None) -> Iterator[Sample]:
        for number, (kind, image, text) in enumerate(islice(questions(count), limit)):
            size = ImageRef(f"{number:05d}.png", image.height, image.width)
            yield image, Record(f"{number:05d}", size, text, (PhraseRecord(text, ()),), kind)

    return Benchmark(f"false alarms, {count} of each", source, size=lambda: 2 * count)
