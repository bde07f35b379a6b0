"""Things that a practitioner wants to know before training: how often each occurs, the first place, and the advice."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Doubt:
    """A kind of finding.

    Attributes:
        text: a noun in the plural, after its number.
        advice: what to do about it.
    """

    text: str
    advice: str


TINY = Doubt("objects of less than 16 px", "a model hardly sees them: remove them, or train at a larger size")
FULL = Doubt(
    "objects that cover almost the whole image", "check that these are objects and not their background"
)
OUTSIDE = Doubt("boxes that leave their image", "they are cut at its edge: check that the sizes are right")
MISFIT = Doubt("boxes that do not fit their masks", "training uses the mask: check which of the two is right")
SAME_OBJECT = Doubt("objects given twice in one phrase", "each is trained once: remove the copies")
OVERLAP = Doubt(
    "pairs of objects with almost the same mask in one phrase", "the model learns to answer twice: remove one"
)
REPEATED = Doubt("instructions that repeat one about the same image", "they count twice: remove the copies")
CONTRADICTION = Doubt(
    "instructions that repeat one about the same image with another answer",
    "the model cannot learn both: correct them",
)
TWO_SIZES = Doubt(
    "records that state another size for an image than before", "training refuses them: correct them"
)
SAME_FILE = Doubt(
    "images with the same bytes as another one", "the same image in two splits makes scores too good"
)
TOO_LONG = Doubt("instructions or phrases longer than the model takes", "training stops there: shorten them")
TOO_MANY = Doubt(
    "phrases with more targets than the model has queries",
    "it never finds all: take a model with more queries",
)
SIDES = Doubt(
    "instructions with side words (left, right)", "with data.augment.flip, mirrored images get swapped words"
)
NEVER_MIRRORED = Doubt(
    "instructions whose images are never mirrored",
    "no English, a number, a quotation, or a side that is not clear: data.augment.flip leaves them as they are",
)


@dataclass(frozen=True)
class Finding:
    """One kind of finding with its number and first place."""

    text: str
    count: int
    first: str
    advice: str

    def line(self) -> str:
        """One line for the terminal."""
        return f"{self.count:,} {self.text}, such as {self.first}: {self.advice}"

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)


class Findings:
    """Counts of each kind of finding."""

    def __init__(self) -> None:
        self._counts: Counter[Doubt] = Counter()
        self._first: dict[Doubt, str] = {}

    def add(self, doubt: Doubt, place: str, count: int = 1) -> None:
        """Count one or several."""
        if count:
            self._counts[doubt] += count
            self._first.setdefault(doubt, place)

    def all(self) -> list[Finding]:
        """The most frequent first."""
        return [
            Finding(doubt.text, count, self._first[doubt], doubt.advice)
            for doubt, count in self._counts.most_common()
        ]
