"""Captions: every object of a scene in order, to train the language model on images.

A pretrained VLM can already describe an image. One that is trained from scratch on instructions alone gets one bit per
object and instruction. A caption gives kind, colour, size and order of every object at once, and costs only text: no
query block, no detector pass.
"""

from __future__ import annotations

from instructsam.world.scenes.facts import Facts, ObjectFact
from instructsam.world.scenes.scene import RenderedScene

ORDERS: tuple[tuple[str, int], ...] = (
    ("Describe the picture from left to right.", 0),
    ("Describe the picture from top to bottom.", 1),
)


def caption(rendered: RenderedScene, order: int) -> tuple[str, str]:
    """The request `ORDERS[order]` and its answer, e.g. "small striped red mug, large blue car"."""
    request, axis = ORDERS[order]
    seen = sorted(Facts.of(rendered).seen.objects, key=lambda fact: (fact.x, fact.y)[axis])
    return request, ", ".join(_described(fact) for fact in seen)


def _described(fact: ObjectFact) -> str:
    """All attributes of one object; the pattern "plain" is left out."""
    pattern = "" if fact.pattern == "plain" else f"{fact.pattern} "
    return f"{fact.size} {pattern}{fact.color} {fact.kind}"
