"""Sayings and paraphrases: whole requests and noun modifiers in data files, each under the key of what it can say.

A key is an operation, for some with a value: "relate left_of", "superlative smallest", "kind". `KEYS` lists them
with the slots that their lines may use. The page docs/world_language.md explains the format for authors.

- sayings/STYLE.yaml: whole requests of one style of speaking, key -> list of lines.
- paraphrases/*.yaml: modifiers that follow a noun, "{head} on the left of {anchor}".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources

from instructsam.errors import InputError
from instructsam.world.language.data_files import AGREEING, PACKAGE, Line, parse_lines, read_data

_WHOLE = frozenset({"the", "bare", "a", "each", "several"})
"""Slots that hold the whole noun phrase, so that a line needs no other."""
GENERAL = _WHOLE | AGREEING
"""Slots of every key but "all", "two", "three": the whole noun phrase, and words that agree with it in number."""
NO_PHRASE = frozenset({"all", "two", "three"})
"""Keys whose lines have no slot for one whole noun phrase."""
_HEAD = frozenset({"head", "heads", "single"})
_ANCHOR = _HEAD | {"anchor"}
_SIDES = ("left", "right", "top", "bottom")
KEYS: dict[str, frozenset[str]] = {
    "any": frozenset(),
    "kind": frozenset({"kind", "kinds"}),
    "attribute": _HEAD | {"mod"},
    "color": _HEAD | {"mod"},
    **{f"pattern {pattern}": _HEAD for pattern in ("plain", "striped", "dotted")},
    **{f"size {size}": _HEAD for size in ("small", "medium", "large")},
    "function": frozenset({"ask", "need", "thing_to", "that", "heads"}),
    **{f"relate {side}": _ANCHOR for side in ("left_of", "right_of", "above", "below")},
    "nearest": _ANCHOR,
    "between": _ANCHOR | {"other"},
    **{f"on_shelf {shelf}": _HEAD for shelf in ("top", "middle", "bottom")},
    **{f"position {side}": _HEAD for side in _SIDES},
    **{f"ordinal {side}": _HEAD | {"nth"} for side in _SIDES},
    **{f"extreme {side}": _HEAD | {"count"} for side in _SIDES},
    **{f"superlative {extreme}": _HEAD | {"count", "pair"} for extreme in ("largest", "smallest")},
    **{f"compare {comparison}": _ANCHOR for comparison in ("larger", "smaller")},
    **{f"same {same}": _ANCHOR for same in ("color", "pattern", "size", "kind")},
    "either": frozenset({"one_of", "other", "a_one", "a_other"}),
    "both": _HEAD | {"mod", "mod2"},
    "not": _HEAD | {"mod"},
    "except": frozenset({"kept", "removed"}),
    "counted": _HEAD | {"count", "all_count", "the_count"},
    "all": frozenset(),
    "two": frozenset({"first", "second"}),
    "three": frozenset({"first", "second", "third"}),
    "chatty": frozenset({"distractor"}),
}
"""Key -> slots of its own."""
ONE, SEVERAL = "1|", "2|"


@dataclass(frozen=True)
class Saying:
    """One line of a data file.

    Attributes:
        text: with slots.
        slots: their names.
        number: `ONE` or `SEVERAL` where the line fits only one object or only several, else "".
        place: "FILE, line NUMBER, KEY", for messages.
    """

    text: str
    slots: frozenset[str]
    number: str
    place: str

    @property
    def is_whole(self) -> bool:
        """Whether one slot holds the whole noun phrase."""
        return bool(self.slots & _WHOLE)


def parse_sayings(text: str, file: str) -> dict[str, tuple[Saying, ...]]:
    """Key -> its lines.

    Raises:
        InputError: the file does not map known keys to lists of lines, a slot is unknown, or a line occurs twice.
    """
    found: dict[str, tuple[Saying, ...]] = {}
    seen: dict[str, str] = {}
    for (key,), lines in parse_lines(text, file).items():
        if key not in KEYS:
            place = lines[0].place if lines else file
            raise InputError(f"{place}: a key must be one of {', '.join(KEYS)}, got {key!r}")
        found[key] = tuple(_parse_line(line, key) for line in lines)
        for saying in found[key]:
            if earlier := seen.get(saying.text.lower()):
                raise InputError(
                    f"{saying.place}: {saying.text!r} is there twice, also in {earlier}; leave out one"
                )
            seen[saying.text.lower()] = saying.place
    return found


def _parse_line(line: Line, key: str) -> Saying:
    number = next((mark for mark in (ONE, SEVERAL) if line.text.startswith(mark)), "")
    text = " ".join(line.text.removeprefix(number).split())
    slots = line.slots()
    known = KEYS[key] | (frozenset() if key in NO_PHRASE else GENERAL)
    if unknown := sorted(slots - known):
        known_names = ", ".join(sorted(known))
        raise InputError(f"{line.place}: slots must be some of {known_names}, got {unknown} in {line.text!r}")
    if missing := _missing(key, slots):
        raise InputError(
            f"{line.place}: {line.text!r} leaves out {missing}: without it the request means another thing"
        )
    return Saying(text, slots, number, line.place)


def _missing(key: str, slots: frozenset[str]) -> str:
    """The slots without which a line of the key would not say the whole program; "" if there are none."""
    if key == "all" or (slots & _WHOLE and key not in ("chatty",)):
        return ""
    own = KEYS[key]
    if key == "any":
        return "a slot for the whole noun phrase: {the}, {bare}, {a}, {each} or {several}"
    if key == "function":
        return "" if slots & {"ask", "thing_to", "that", "need"} else "{ask}, {thing_to}, {that} or {need}"
    if key == "chatty":
        return "" if slots & {"the", "bare"} and "distractor" in slots else "{the} or {bare}, or {distractor}"
    if key == "either":
        enough = bool(slots & {"one_of", "a_one"} and slots & {"other", "a_other"})
        return "" if enough else "{one_of} or {a_one}, or {other} or {a_other}"
    if key == "counted":
        enough = bool(slots & {"all_count", "the_count"} or ("count" in slots and slots & _HEAD))
        return "" if enough else "{all_count}, {the_count}, or {count} with {heads}"
    needed = own - _HEAD - {"count", "pair", "kind", "kinds"}
    if lost := sorted(needed - slots):
        return ", ".join(f"{{{name}}}" for name in lost)
    if own & _HEAD and not slots & (_HEAD | {"pair"}):
        return "{head}, {heads} or {single}"
    if key == "kind" and not slots & own:
        return "{kind} or {kinds}"
    return ""


@cache
def load_sayings(folder: str) -> dict[str, dict[str, tuple[Saying, ...]]]:
    """File name without ending -> key -> lines, of all files of a folder beside this module."""
    return {
        name.removesuffix(".yaml"): parse_sayings(read_data(f"{folder}/{name}"), f"{folder}/{name}")
        for name in _names(folder)
    }


def _names(folder: str) -> Iterator[str]:
    files = resources.files(PACKAGE).joinpath(folder)
    return iter(sorted(file.name for file in files.iterdir() if file.name.endswith(".yaml")))
