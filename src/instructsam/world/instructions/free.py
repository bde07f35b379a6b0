"""Free instructions: composed programs in the sayings, paraphrases and words of the language's data files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from instructsam.errors import ConfigError
from instructsam.world.instructions import chatty
from instructsam.world.instructions.absent import with_kind
from instructsam.world.instructions.choosing import (
    MAX_TARGETS,
    Answered,
    choose,
    is_worthwhile,
    names_held_out,
)
from instructsam.world.instructions.families import FAMILY_SHARES
from instructsam.world.instructions.free_wording import word_groups, word_program
from instructsam.world.instructions.groups import choose_groups
from instructsam.world.instructions.instruction import Instruction, PhraseAnswer
from instructsam.world.instructions.invented import renamed_phrase, says
from instructsam.world.instructions.negatives import look_alike
from instructsam.world.language import words
from instructsam.world.language.chance import chance, pick
from instructsam.world.language.free_speaker import FreeSpeaker
from instructsam.world.language.lexicon import NUMBERS, plural_name
from instructsam.world.language.styles import STYLE_SPLITS, StyleSplit, load_styles, styles_of
from instructsam.world.programs.all_objects import All
from instructsam.world.programs.between import Between
from instructsam.world.programs.compare import Compare
from instructsam.world.programs.counted import Counted
from instructsam.world.programs.difference import Difference
from instructsam.world.programs.filter import Filter
from instructsam.world.programs.modified import Modified
from instructsam.world.programs.nearest import Nearest
from instructsam.world.programs.operation import Subject
from instructsam.world.programs.operations import propose
from instructsam.world.programs.proposer import Proposer
from instructsam.world.programs.relate import Relate
from instructsam.world.programs.same import Same

if TYPE_CHECKING:
    import numpy as np

    from instructsam.world.language.lexicon import Noun
    from instructsam.world.programs.program import Program
    from instructsam.world.scenes.facts import Facts

ONE_TARGET_SHARE = 0.45
ALL_SHARE = 0.02  # of the instructions with targets: everything in the picture
COMPOSED_SHARE = 0.4  # of the programs of these families: a second condition on what the first one denotes
_COMPOSED_FAMILIES = ("attribute", "spatial", "comparison", "logic", "knowledge", "chatty")
COMPOSED_TRIES = 6
TRIES = 40
FAMILY_TRIES = 8
_WITH_ANCHORS = (Relate, Nearest, Between, Compare, Same)
_NO_ABSENT_WORD = ("multi", "knowledge")


@dataclass(frozen=True)
class FreeSettings:
    """How free instructions are drawn.

    Attributes:
        split: whose styles are used.
        negatives: instructions without target for each one with targets.
        look_alikes: share of those without target that differ in one value from one with targets.
        absent_words: share of those without target that name a real thing that the world does not have.

    Raises:
        ConfigError: an unknown split, a negative number, or shares that exceed 1 together.
    """

    split: StyleSplit = "train"
    negatives: float = 0.25
    look_alikes: float = 0.4
    absent_words: float = 0.25

    def __post_init__(self) -> None:
        if self.split not in STYLE_SPLITS:
            raise ConfigError(
                f"the styles' split must be one of {', '.join(STYLE_SPLITS)}, got {self.split!r}"
            )
        if self.negatives < 0 or self.look_alikes < 0 or self.absent_words < 0:
            raise ConfigError(
                "negatives, look_alikes and absent_words must not be negative, got "
                f"{self.negatives}, {self.look_alikes} and {self.absent_words}"
            )
        if self.look_alikes + self.absent_words > 1:
            raise ConfigError(
                "look_alikes and absent_words are shares of the same instructions and must not exceed 1 together, got "
                f"{self.look_alikes} and {self.absent_words}"
            )


def free_instructions(
    facts: Facts,
    rng: np.random.Generator,
    count: int,
    settings: FreeSettings = FreeSettings(),
    shares: Mapping[str, float] = FAMILY_SHARES,
) -> list[Instruction]:
    """Up to `count` free instructions about a scene, with different texts, deterministic in `rng`.

    Args:
        facts: the scene.
        rng: source of every choice.
        count: the largest number; a scene with few objects may have fewer.
        settings: how they are drawn.
        shares: family -> how often it is drawn, as `families.shares_of` returns it.
    """
    scene = _Generator(facts, rng, settings, shares)
    found: dict[str, Instruction] = {}
    for _ in range(TRIES * count):
        if len(found) == count:
            break
        made = scene.instruction()
        if made is not None:
            found.setdefault(made.text, made)
    return list(found.values())


@dataclass(frozen=True)
class _Generator:
    """Draws free instructions about one scene; every method returns None where its try has failed."""

    facts: Facts
    rng: np.random.Generator
    settings: FreeSettings
    shares: Mapping[str, float]

    @cached_property
    def families(self) -> tuple[tuple[str, ...], tuple[float, ...]]:
        """The families, and how often each is drawn; sums to 1."""
        total = sum(self.shares.values())
        return tuple(self.shares), tuple(share / total for share in self.shares.values())

    def instruction(self) -> Instruction | None:
        """One instruction of a family, with or without targets, drawn by their shares."""
        family = _drawn(self.rng, *self.families)
        if chance(self.rng, 1 / (1 + self.settings.negatives)):
            if family == "category" and chance(self.rng, ALL_SHARE / self.shares[family]):
                return self.all_objects()
            return self.retried(
                self.of_family, family, "one" if chance(self.rng, ONE_TARGET_SHARE) else "many"
            )
        choice = self.rng.random()
        if choice < self.settings.absent_words:
            return self.retried(self.absent_thing, family)
        if choice < self.settings.absent_words + self.settings.look_alikes:
            return self.retried(self.look_alike, family)
        return self.retried(self.of_family, family, "none")

    def retried(self, draw: Callable[..., Instruction | None], *arguments: str) -> Instruction | None:
        """The first success of a few tries, so that families and negatives keep their shares."""
        tries = (draw(*arguments) for _ in range(FAMILY_TRIES))
        return next((made for made in tries if made is not None), None)

    def all_objects(self) -> Instruction | None:
        """All objects."""
        found = All().answer(self.facts)
        return self.write((All(), found), "category") if found and len(found) <= MAX_TARGETS else None

    def of_family(self, family: str, wanted: str) -> Instruction | None:
        """One of the family, with `wanted` ("none", "one" or "many") targets."""
        if family == "multi":
            return self.write_groups(choose_groups(self.rng, self.facts, wanted))
        chosen = self.choose_program(family, wanted)
        return self.write(chosen, family) if chosen else None

    def choose_program(self, family: str, wanted: str) -> Answered | None:
        """A program of the family with its answer, sometimes composed of two."""
        chosen = choose(self.rng, self.facts, _plain_family(self.rng, family), wanted)
        if chosen and wanted != "none" and family in _COMPOSED_FAMILIES and chance(self.rng, COMPOSED_SHARE):
            return self.compose(chosen[0]) or chosen
        return chosen

    def compose(self, source: Program) -> Answered | None:
        """A second condition on several objects that are described already: "the largest of the mugs on the shelf"."""
        members = source.members(self.facts)
        if not _is_composable(source) or len(members) < 2:
            return None
        draw = Proposer(self.rng, self.facts)
        thing = pick(self.rng, [fact for fact in self.facts.seen.objects if fact.index in members])
        for _ in range(COMPOSED_TRIES):
            made = self.second_condition(source, draw, Subject(thing, thing, source))
            found = made.answer(self.facts) if made is not None else None
            if made is None or not found or names_held_out(made) or describes_an_anchor(made):
                continue
            changes = len(found) < len(members) or isinstance(made, Counted)
            if changes and is_worthwhile(made, self.facts, found, self.rng):
                return made, found
        return None

    def second_condition(self, source: Program, draw: Proposer, subject: Subject) -> Program | None:
        """An operation on the source: a place, a rank, a comparison, "not red", or the number of its objects."""
        family = pick(self.rng, ("spatial", "ordinal", "ordinal", "comparison", "not", "counted"))
        members = len(source.members(self.facts))
        if family == "counted":
            return Counted(source, members) if members <= len(NUMBERS) else None
        if family == "not":
            attribute = draw.adjective()
            return Difference(source, Filter(source, attribute, getattr(subject.thing, attribute)))
        return propose(family, draw, subject, False)

    def look_alike(self, family: str) -> Instruction | None:
        """Nothing is meant, and one value away something would be."""
        if family == "multi":
            return self.look_alike_groups()
        chosen = self.choose_program(family, "one")
        changed = look_alike(self.rng, chosen[0], self.facts) if chosen and chosen[1] else None
        return self.write((changed, ()), family) if changed else None

    def look_alike_groups(self) -> Instruction | None:
        """Two or three groups, none of which is meant."""
        groups: dict[str, Answered] = {}
        for program, found in choose_groups(self.rng, self.facts, "one"):
            changed = look_alike(self.rng, program, self.facts) if found else None
            if changed is None or changed.phrase() in groups:
                return None
            groups[changed.phrase()] = (changed, ())
        return self.write_groups(list(groups.values()))

    def absent_thing(self, family: str) -> Instruction | None:
        """About a real thing that the world does not have, described like one of the scene."""
        family = "category" if family in _NO_ABSENT_WORD else family
        chosen = self.choose_program(family, "one")
        if chosen is None or not chosen[1]:
            return None
        kind = Proposer(self.rng, self.facts).missing("kind")
        if plural_name(kind) == kind:  # the phrase would not tell whether one or several are meant
            return None
        program = with_kind(chosen[0], kind)
        if program is None or program.answer(self.facts) != () or names_held_out(program):
            return None
        return self.write((program, ()), family, {kind: pick(self.rng, words.absent_nouns())})

    def write(
        self, answered: Answered, family: str, renamed: Mapping[str, Noun] | None = None
    ) -> Instruction | None:
        """The program in words of a style of the split; `renamed` kinds go by the name of something else."""
        program, found = answered
        if is_between_one_and_itself(program, self.facts):
            return None
        speaker = FreeSpeaker(self.rng, self.facts, renamed)
        ignored = None
        if family == "chatty":
            ignored = chatty.choose_distractor(speaker, program, found)
            if ignored is None or names_held_out(ignored):
                return None
        style = _drawn(self.rng, *styles_of(self.settings.split))
        filled = word_program(speaker, program, found, style, ignored)
        if filled is None or names_the_answer(program, found, self.facts, filled[1]):
            return None
        made = self.finish(style, filled, [answered], family)
        for kind, noun in speaker.renamed.items():
            if noun.one not in filled[1] and noun.many not in filled[1]:
                return None
            phrase = PhraseAnswer(renamed_phrase(program.phrase(), kind, noun), found)
            stored = {**made.program, "renamed": {kind: noun.one}}
            made = replace(made, phrases=(phrase,), program=stored)
        return made

    def write_groups(self, groups: list[Answered]) -> Instruction | None:
        """Two or three groups in one text of a style of the split."""
        if len(groups) < 2 or any(is_between_one_and_itself(program, self.facts) for program, _ in groups):
            return None
        style = _drawn(self.rng, *styles_of(self.settings.split))
        filled = word_groups(FreeSpeaker(self.rng, self.facts), [program for program, _ in groups], style)
        return self.finish(style, filled, groups, "multi") if filled else None

    def finish(self, style: str, filled: tuple[str, str], groups: list[Answered], family: str) -> Instruction:
        """The instruction as a speaker of the style types it, from a saying with its text, and its programs."""
        saying, text = filled
        return Instruction(
            text=load_styles()[style].typed(self.rng, text),
            phrases=tuple(PhraseAnswer(program.phrase(), found) for program, found in groups),
            family=family,
            template=f"{style}: {saying}",
            program={"phrases": [program.to_dict() for program, _ in groups]},
        )


def names_the_answer(program: Program, found: tuple[int, ...], facts: Facts, text: str) -> bool:
    """Whether the text of a question for the same kind of thing names that kind."""
    if not _asks_for_a_kind(program):
        return False
    kinds = {facts.objects[index].kind for index in found}
    return says(text, (noun for kind in kinds for noun in words.kinds()[kind].nouns))


def describes_an_anchor(program: Program) -> bool:
    """Whether its last condition reads as one on an anchor: "the things like the mug | on the top shelf"."""
    trails = isinstance(program, Modified) or (
        isinstance(program, Difference) and program.negated is not None
    )
    return trails and isinstance(program.head, _WITH_ANCHORS)


def is_between_one_and_itself(program: Program, facts: Facts) -> bool:
    """Whether both anchors are the same object: "the mug between the bus and the red bus" where one bus is."""
    if isinstance(program, Between):
        first = program.first.answer(facts)
        return bool(first) and first == program.second.answer(facts)
    return program.head is not program and is_between_one_and_itself(program.head, facts)


def _drawn(rng: np.random.Generator, names: tuple[str, ...], shares: tuple[float, ...]) -> str:
    return names[int(rng.choice(len(names), p=shares))]


def _plain_family(rng: np.random.Generator, family: str) -> str:
    return pick(rng, chatty.FAMILIES) if family == "chatty" else family


def _is_composable(program: Program) -> bool:
    """Whether a second condition can follow its noun phrase, and does not change which objects the first one means."""
    if isinstance(program, Difference):
        return program.negated is not None
    return isinstance(program, Filter | Modified)


def _asks_for_a_kind(program: Program) -> bool:
    if isinstance(program, Same) and program.same == "kind":
        return True
    return program.head is not program and _asks_for_a_kind(program.head)
