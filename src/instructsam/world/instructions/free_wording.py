"""The text of a free instruction: a saying of the style, filled with the words of its program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instructsam.world.instructions.details import Details, described, details_of
from instructsam.world.instructions.groups import GROUPS
from instructsam.world.instructions.suiting import PARAPHRASES, filled, lines_of, suiting
from instructsam.world.instructions.wording import is_clumsy
from instructsam.world.language.chance import chance, pick
from instructsam.world.language.lexicon import indefinite
from instructsam.world.language.sayings_table import SEVERAL, Saying
from instructsam.world.programs.difference import EXCEPT_WORDS, Difference
from instructsam.world.programs.filter import Filter
from instructsam.world.programs.ordinal import Ordinal

if TYPE_CHECKING:
    from instructsam.world.language.free_speaker import FreeSpeaker
    from instructsam.world.programs.program import Program, Slots

KEY_SHARE = 0.6  # of the texts: a saying of the program's own key, not one for any noun phrase
PARAPHRASE_SHARE = 0.6  # of the whole noun phrases
DESCRIBED_SHARE = 0.35  # of the plain kinds: a riddle in place of the name
_LOSING_WORDS = (Ordinal, Difference)
"""Operations whose own noun phrase leaves out the words after a long noun."""
_GROUP_KEYS = {2: "two", 3: "three"}


def word_program(
    speaker: FreeSpeaker,
    program: Program,
    found: tuple[int, ...],
    style: str,
    ignored: Program | None = None,
) -> tuple[str, str] | None:
    """A saying of the style for one program, and its text; None where none suits or the text would be clumsy.

    Args:
        speaker: chooses the words.
        program: what is meant.
        found: its answer.
        style: a key of `styles.load_styles`.
        ignored: what a longer text also mentions and does not want.
    """
    details = _riddle(speaker, program) or details_of(program, speaker)
    slots = details.slots | whole_slots(speaker, program, details)
    keys = [details.key, "any"]
    if ignored is not None:
        keys = ["chatty"]
        slots["distractor"] = ignored.noun_phrase(speaker, ignored.is_plural(speaker)).the
    elif not chance(speaker.rng, KEY_SHARE):
        keys.reverse()
    for key in keys:
        if sayings := suiting(style, key, details.need(slots, len(found))):
            return _filled(pick(speaker.rng, sayings), slots)
    return None


def word_groups(speaker: FreeSpeaker, programs: list[Program], style: str) -> tuple[str, str] | None:
    """A saying of the style for two or three programs, and its text; None as in `word_program`."""
    slots: Slots = {}
    for name, program in zip(GROUPS, programs, strict=False):
        whole = whole_slots(speaker, program, _riddle(speaker, program) or details_of(program, speaker))
        if "the" not in whole:
            return None
        slots[name] = whole["the"]
    sayings = lines_of(style, _GROUP_KEYS[len(programs)])
    return _filled(pick(speaker.rng, sayings), slots) if sayings else None


def _riddle(speaker: FreeSpeaker, program: Program) -> Details | None:
    """Sometimes a riddle in place of the name of a kind alone."""
    kind = program.value if isinstance(program, Filter) and program.attribute == "kind" else ""
    if not kind or kind in speaker.renamed or not chance(speaker.rng, DESCRIBED_SHARE):
        return None
    return described(kind, speaker, program.is_plural_in_use(speaker))


def whole_slots(speaker: FreeSpeaker, program: Program, details: Details) -> Slots:
    """{the} and {bare}, and where English has them {a}, {each} and {several}; empty where a phrase would lose words."""
    rng, own = speaker.rng, details.slots
    if details.key == "all":
        return {}
    if details.key == "function":
        return _function_articles(speaker, details)
    loses_words = details.long_head and isinstance(program, _LOSING_WORDS)
    lines = suiting(PARAPHRASES, details.key, details.need(own, 2 if details.many else 1))
    if lines and (loses_words or chance(rng, PARAPHRASE_SHARE)):
        line = pick(rng, lines)
        if details.key in ("either", "except"):
            return _definite(filled(line, own))
        single = "" if line.number == SEVERAL else filled(line, details.single_slots)
        return _with_articles(filled(line, own), single, details)
    if loses_words:
        return {}
    if details.key == "either":
        return _definite(f"{own['one_of']} {pick(rng, ('and', 'and', 'or'))} {own['other']}")
    if details.key == "except":
        return _definite(f"{own['kept']} {pick(rng, EXCEPT_WORDS)} {own['removed']}")
    if details.key == "counted":
        return _definite(own["the_count"])
    phrase = program.noun_phrase(speaker, details.many)
    return _with_articles(phrase.bare(), phrase.bare(many=False), details)


def _definite(the: str) -> Slots:
    return {"the": the, "bare": the.removeprefix("the ")}


def _with_articles(bare: str, single: str, details: Details) -> Slots:
    slots = {"the": f"the {bare}", "bare": bare}
    if details.indefinite:
        slots["a"] = f"any {bare}" if details.many else indefinite(bare)
        if details.many and details.verb == "are":
            slots["several"] = bare
            slots |= {"each": single} if single else {}
    return slots


def _function_articles(speaker: FreeSpeaker, details: Details) -> Slots:
    own = details.slots
    slots = {"the": f"the {own['bare']}", "bare": own["bare"]}
    if details.many:
        return slots | {"a": f"any {own['bare']}", "several": own["bare"]}
    if "thing_to" in own:
        slots["a"] = own["thing_to"]
        slots["the"] = pick(speaker.rng, (slots["the"], own["thing_to"]))
    return slots


def _filled(saying: Saying, slots: Slots) -> tuple[str, str] | None:
    if "that" in saying.slots and "heads" not in saying.slots:
        slots = slots | {"that": slots["that_single"]}
    text = filled(saying, slots)
    clumsy = is_clumsy(text.lower()) and not is_clumsy(saying.text.lower())
    return None if clumsy else (saying.text, text)
