"""The drawn world as a source of training samples (`data.sources.SampleSource`)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, cast, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from instructsam.config import Config, to_dict
from instructsam.data.sample import (
    Description,
    ObjectAttribute,
    SampleInstruction,
    SamplePhrase,
    TrainingSample,
    relative_boxes_cxcywh,
)
from instructsam.errors import ConfigError
from instructsam.structures.checks import check_choices
from instructsam.world.instructions.caption import ORDERS, caption
from instructsam.world.instructions.families import FAMILY_SHARES, shares_of
from instructsam.world.instructions.free import FreeSettings
from instructsam.world.instructions.invented import with_invented_word, with_real_word
from instructsam.world.instructions.nouns import Nouns
from instructsam.world.programs.every_phrase import phrase_words
from instructsam.world.scenes.blank import FIRST_TRAINING_BLANK, TRAINING_BLANKS, blank_picture
from instructsam.world.scenes.render import SHORT_SIDES
from instructsam.world.scenes.scene import COLORS, KINDS, LAYOUTS, MOST_OBJECTS, PATTERNS, PILES, SIZES, Scene
from instructsam.world.splits.stream import WorldSample, WorldSettings, all_texts, world_sample

ATTRIBUTES = (
    ObjectAttribute("kind", len(KINDS), loss_weight=4.0),  # shapes are learned last, and most cells show none
    ObjectAttribute("color", len(COLORS)),
    ObjectAttribute("size", len(SIZES)),
    ObjectAttribute("pattern", len(PATTERNS)),
)
TEXTS_FREE_SHARE = 0.5  # of the instructions that a tokenizer is trained on
# Keep the choice of unknown words and of empty pictures apart from the world's own random numbers.
_INVENTED_STREAM = 0x1_57EA4
_EMPTY_STREAM = 0x0_E4397


class WorldSourceSettings(Config):
    """The group `data.world` of a run's configuration.

    Attributes:
        short_sides: px, sizes that scenes are drawn at.
        min_objects, max_objects: objects in a scene.
        families: instruction families to draw from, empty for all; the simple ones first are a curriculum.
        family_shares: instruction family -> factor on how often it is drawn, {spatial: 2.0, comparison: 2.0} for
            twice as often as the others; one that is not named has 1. Bare noun phrases have no families.
        nouns: bare noun phrases instead of instructions (`world.instructions.nouns`): level -> the batch from
            which it is used, {colors: 0, kinds: 200}; empty for instructions.
        layouts: how objects lie, some of `world.scenes.scene.LAYOUTS`, or `piles`; empty for all but piles.
        invented_words: share of instructions in [0, 1] whose only kind, where they have one, gets another name, so
            that nothing is meant (`world.instructions.invented`): one of random syllables, or a real one.
        real_names: of those with another name, the share in [0, 1] that gets the real name of something else.
        free_share: share of instructions in [0, 1] that are free (`world.instructions.free`): composed programs in the
            sayings and words of the language's data files, in place of templates.
        negatives_per_positive: of the free instructions, those without target for each one with targets.
        look_alikes: share of those without target that differ in one value from one with targets.
        absent_words: share of those without target that name a real thing that the world does not have.
        captions: one more text per scene, that describes it in words (`world.instructions.caption`).
        empty_pictures: share of scenes in [0, 1] whose picture is replaced by one without objects, some of
            `world.scenes.blank.TRAINING_BLANKS`; their instructions stay and mean nothing then.
    """

    short_sides: tuple[Annotated[int, Field(ge=SHORT_SIDES[0], le=SHORT_SIDES[1])], ...] = (160,)
    min_objects: int = Field(default=1, ge=1, le=MOST_OBJECTS)
    max_objects: int = Field(default=10, ge=1, le=MOST_OBJECTS)
    families: tuple[str, ...] = ()
    family_shares: dict[str, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    nouns: dict[str, Annotated[int, Field(ge=0)]] = Field(default_factory=dict)
    layouts: tuple[str, ...] = ()
    invented_words: float = Field(default=0.0, ge=0, le=1)
    real_names: float = Field(default=0.0, ge=0, le=1)
    free_share: float = Field(default=0.0, ge=0, le=1)
    negatives_per_positive: float = Field(default=0.25, ge=0, le=100)
    look_alikes: float = Field(default=0.4, ge=0, le=1)
    absent_words: float = Field(default=0.25, ge=0, le=1)
    captions: bool = False
    empty_pictures: float = Field(default=0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _check(self) -> WorldSourceSettings:
        if not self.short_sides:
            raise ConfigError("short_sides must hold at least one size in pixels, got an empty list")
        if self.min_objects > self.max_objects:
            raise ConfigError(
                f"min_objects must be at most data.world.max_objects ({self.max_objects}), got {self.min_objects}"
            )
        check_choices("families", self.families, tuple(FAMILY_SHARES))
        check_choices("family_shares", self.family_shares, tuple(FAMILY_SHARES))
        check_choices("layouts", self.layouts, (*LAYOUTS, PILES))
        check_choices("nouns", self.nouns, [level for level in get_args(Nouns) if level])
        if self.nouns and min(self.nouns.values()) > 0:
            raise ConfigError("nouns must name the level of batch 0, for example {colors: 0}")
        shares_of(tuple(self.families), self.family_shares)
        self.free_settings()  # raises where shares are too large
        return self

    def free_settings(self) -> FreeSettings:
        """How free instructions are drawn."""
        return FreeSettings(
            negatives=self.negatives_per_positive,
            look_alikes=self.look_alikes,
            absent_words=self.absent_words,
        )


class WorldSource:
    """Scenes of the train split, without end.

    Args:
        settings: what is drawn.
        seed: of the stream.
        instructions: per scene.
        images_per_step: scenes that all processes draw in one step; `settings.nouns` counts steps.
    """

    name = "world"
    size = None
    attributes = ATTRIBUTES

    def __init__(
        self, settings: WorldSourceSettings, seed: int, instructions: int, images_per_step: int
    ) -> None:
        self.settings = settings
        self.seed = seed
        self.images_per_step = images_per_step
        self.world = WorldSettings(
            short_sides=tuple(settings.short_sides),
            instructions_per_scene=instructions,
            min_objects=settings.min_objects,
            max_objects=settings.max_objects,
            split="train",
            families=tuple(settings.families),
            layouts=tuple(settings.layouts),
            family_shares=settings.family_shares,
            free_share=settings.free_share,
            free=settings.free_settings(),
        )

    @property
    def fingerprint(self) -> str:
        """Differs between settings and seeds."""
        text = json.dumps(
            [to_dict(self.settings), self.seed, self.world.instructions_per_scene], sort_keys=True
        )
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def __getitem__(self, index: int) -> TrainingSample:
        settings = replace(self.world, nouns=self._nouns(index // self.images_per_step))
        sample = training_sample(
            f"world {self.seed}/{index}",
            self._with_invented_words(index, world_sample(self.seed, index, settings)),
            self.settings.captions,
        )
        return self._or_empty(index, sample)

    def texts(self, count: int) -> Iterator[str]:
        """The world's language, half of it free, whatever the settings and the seed."""
        return all_texts(count, free_share=TEXTS_FREE_SHARE)

    def phrases(self) -> Iterator[str]:
        """The words of all canonical phrases and of the lexicon."""
        return iter(phrase_words())

    def _nouns(self, step: int) -> Nouns:
        """The level of bare noun phrases at a step, "" for instructions."""
        reached = [(first, level) for level, first in self.settings.nouns.items() if first <= step]
        return cast("Nouns", max(reached)[1]) if reached else ""

    def _or_empty(self, index: int, sample: TrainingSample) -> TrainingSample:
        """The sample, or for a share of the indices its instructions about a picture without objects."""
        rng = np.random.default_rng([self.seed, _EMPTY_STREAM, index])
        if rng.random() >= self.settings.empty_pictures:
            return sample
        kind = TRAINING_BLANKS[int(rng.integers(len(TRAINING_BLANKS)))]
        seed = FIRST_TRAINING_BLANK + int(rng.integers(2**31))
        height, width = sample.image.shape[:2]
        return without_objects(sample, blank_picture(kind, seed, max(height, width))[:height, :width])

    def _with_invented_words(self, index: int, scene: WorldSample) -> WorldSample:
        """The scene with some of its instructions about something that it does not have: invented, or real names."""
        if not self.settings.invented_words:
            return scene
        rng = np.random.default_rng([self.seed, _INVENTED_STREAM, index])
        draws = rng.random(len(scene.instructions)) / self.settings.invented_words
        instructions = []
        for instruction, draw in zip(scene.instructions, draws, strict=True):
            rename = with_real_word if draw < self.settings.real_names else with_invented_word
            made = rename(instruction, rng) if draw < 1 else None
            instructions.append(made or instruction)
        return replace(scene, instructions=instructions)


def without_objects(sample: TrainingSample, image: NDArray[np.uint8]) -> TrainingSample:
    """The sample's instructions, which mean nothing now, about a picture without objects (uint8 [H, W, 3])."""
    instructions = tuple(
        replace(one, phrases=tuple(SamplePhrase(phrase.text, ()) for phrase in one.phrases))
        for one in sample.instructions
    )
    return TrainingSample(
        id=sample.id,
        image=image,
        instructions=instructions,
        boxes_cxcywh=np.zeros((0, 4), np.float32),
        masks=np.zeros((0, *image.shape[:2]), np.bool_),
        classes=np.zeros((0, len(ATTRIBUTES)), np.int64),
    )


def training_sample(sample_id: str, scene: WorldSample, captions: bool = False) -> TrainingSample:
    """A scene and its instructions as a training sample; `captions` adds a description for each reading order."""
    rendered = scene.rendered
    orders = range(len(ORDERS)) if captions else ()
    return TrainingSample(
        id=sample_id,
        image=rendered.image,
        instructions=tuple(
            SampleInstruction(
                instruction.text,
                tuple(SamplePhrase(phrase.text, tuple(phrase.instances)) for phrase in instruction.phrases),
            )
            for instruction in scene.instructions
        ),
        boxes_cxcywh=relative_boxes_cxcywh(rendered.masks),
        masks=rendered.masks,
        classes=object_classes(rendered.scene),
        descriptions=tuple(Description(*caption(rendered, order)) for order in orders),
    )


def object_classes(scene: Scene) -> NDArray[np.int64]:
    """Values of `ATTRIBUTES` of a scene's objects, int64 [N, 4], counted from 1."""
    colors = list(COLORS)
    rows = [
        (KINDS.index(o.kind), colors.index(o.color), SIZES.index(o.size), PATTERNS.index(o.pattern))
        for o in scene.objects
    ]
    return np.array(rows, dtype=np.int64).reshape(-1, len(ATTRIBUTES)) + 1
