"""The training stream: sample `index` of a seed is always the same, so the data position is a number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from instructsam.errors import ConfigError
from instructsam.world.instructions.families import FAMILY_SHARES, shares_of
from instructsam.world.instructions.free import FreeSettings, free_instructions
from instructsam.world.instructions.generate import instructions_about
from instructsam.world.instructions.instruction import Instruction
from instructsam.world.instructions.negatives import hard_negatives
from instructsam.world.instructions.nouns import Nouns, noun_phrases
from instructsam.world.language.styles import StyleSplit
from instructsam.world.scenes.facts import Facts
from instructsam.world.scenes.layout import sample_scene
from instructsam.world.scenes.pairs import HELD_OUT_PAIRS
from instructsam.world.scenes.render import render_scene
from instructsam.world.scenes.scene import LAYOUTS, RenderedScene, SceneSettings

SPLITS: dict[str, int] = {
    "train": 0,
    "val": 1,
    "test": 2,
    "unseen_wording": 3,
    "unseen_pairs": 4,
    "crowded": 5,
    "hard_negative": 6,
    "unseen_style": 7,
    "val_unseen_style": 8,
}
_STYLES: dict[str, StyleSplit] = {"unseen_style": "test", "val_unseen_style": "val"}
"""Split -> the styles of its free instructions; every other split uses those of training."""
CROWDED = (13, 14)  # objects; no stage of training has more than 12
_SPLIT_SLOTS = 16  # scene seeds are congruent to their split's number modulo this, so splits share no scene


@dataclass(frozen=True)
class WorldSettings:
    """Settings of a stream.

    Attributes:
        short_sides: px, one of them is drawn per scene.
        instructions_per_scene: number of instructions.
        min_objects, max_objects: number of objects; split "crowded" draws `CROWDED` objects instead.
        split: key of `SPLITS`.
        families: families of instructions; empty for all.
        nouns: a level of bare noun phrases instead of instructions, see `instructions.nouns`.
        layouts: as in `SceneSettings`; empty for all but piles.
        family_shares: factors on the share of a family, as in `instructions_about`; without effect in split
            "hard_negative" and with `nouns`.
        free_share: share of the instructions in [0, 1] that are free (`instructions.free`) in place of one from a
            template; without effect with `nouns` and in splits of hard negatives or unseen styles.
        free: how these are drawn.
    """

    short_sides: tuple[int, ...] = (160,)
    instructions_per_scene: int = 8
    min_objects: int = 1
    max_objects: int = 10
    split: str = "train"
    families: tuple[str, ...] = ()
    nouns: Nouns = ""
    layouts: tuple[str, ...] = ()
    family_shares: Mapping[str, float] = field(default_factory=dict, hash=False)
    free_share: float = 0.0
    free: FreeSettings = field(default_factory=FreeSettings)


@dataclass(frozen=True)
class WorldSample:
    """One rendered scene with its instructions."""

    rendered: RenderedScene
    instructions: list[Instruction]


def world_sample(seed: int, index: int, settings: WorldSettings = WorldSettings()) -> WorldSample:
    """Sample number `index` of the stream `seed`; a pure function of its arguments.

    Raises:
        ConfigError: unknown split or family, factors that `shares_of` refuses, a free share outside [0, 1], or a
            negative seed or index.
    """
    if settings.split not in SPLITS:
        raise ConfigError(f"the split must be one of {', '.join(SPLITS)}, got {settings.split!r}")
    if seed < 0 or index < 0:
        raise ConfigError(f"seed and index must not be negative, got seed {seed} and index {index}")
    if not 0 <= settings.free_share <= 1:
        raise ConfigError(f"free_share must be a share in [0, 1], got {settings.free_share}")
    unknown = sorted(set(settings.families) - set(FAMILY_SHARES))
    if unknown:
        raise ConfigError(f"families must be some of {', '.join(FAMILY_SHARES)}, got {', '.join(unknown)}")
    rng = np.random.default_rng(np.random.SeedSequence([SPLITS[settings.split], seed, index]))
    scene_seed = int(rng.integers(2**40)) * _SPLIT_SLOTS + SPLITS[settings.split]
    scene = sample_scene(scene_seed, scene_settings(settings))
    short_side = settings.short_sides[int(rng.integers(len(settings.short_sides)))]
    rendered = render_scene(scene, short_side)
    return WorldSample(rendered, _instructions(rendered, rng, settings))


def scene_again(scene_seed: int, short_side: int) -> RenderedScene:
    """The scene of this seed, for samples whose settings leave objects and layouts at their defaults."""
    (split,) = (name for name, slot in SPLITS.items() if slot == scene_seed % _SPLIT_SLOTS)
    return render_scene(sample_scene(scene_seed, scene_settings(WorldSettings(split=split))), short_side)


def scene_settings(settings: WorldSettings) -> SceneSettings:
    """The settings of the split's scenes."""
    layouts = tuple(settings.layouts) or LAYOUTS
    if settings.split == "crowded":
        return SceneSettings(min_objects=CROWDED[0], max_objects=CROWDED[1], layouts=layouts)
    return SceneSettings(
        min_objects=settings.min_objects,
        max_objects=settings.max_objects,
        layouts=layouts,
        pairs="held_out" if settings.split == "unseen_pairs" else "seen",
    )


def _instructions(
    rendered: RenderedScene, rng: np.random.Generator, settings: WorldSettings
) -> list[Instruction]:
    count, facts = settings.instructions_per_scene, Facts.of(rendered)
    if settings.nouns:
        return noun_phrases(facts, rng, count, settings.nouns)
    shares = shares_of(settings.families, settings.family_shares)
    if settings.split in _STYLES:
        return free_instructions(facts, rng, count, FreeSettings(_STYLES[settings.split]), shares)
    if settings.split == "hard_negative":
        return hard_negatives(facts, rng, count, settings.split)
    held_out: frozenset[int] = frozenset()
    if settings.split == "unseen_pairs":
        new = (fact.index for fact in facts.seen.objects if (fact.kind, fact.color) in HELD_OUT_PAIRS)
        held_out = frozenset(new)
    free: list[Instruction] = []
    if settings.free_share:
        number = int(rng.binomial(count, settings.free_share))
        free = free_instructions(facts, rng, number, settings.free, shares)
    return free + instructions_about(
        facts, rng, count - len(free), settings.split, settings.families, held_out, settings.family_shares
    )


def all_texts(count: int, seed: int = 0, free_share: float = 0.0) -> Iterator[str]:
    """`count` texts of the train split, instructions and their phrases, to train a tokenizer on.

    Args:
        count: number of texts.
        seed: of the stream.
        free_share: share of the instructions in [0, 1] that are free, as in `WorldSettings`.
    """
    settings = WorldSettings(short_sides=(64,), instructions_per_scene=16, free_share=free_share)
    given, index = 0, 0
    while True:
        for instruction in world_sample(seed, index, settings).instructions:
            for text in (instruction.text, *(phrase.text for phrase in instruction.phrases)):
                if given == count:
                    return
                yield text
                given += 1
        index += 1
