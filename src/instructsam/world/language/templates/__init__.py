"""Templates per family: (style, text with slots).

Styles: c command (may get "please" and a full stop), q question (may lose its question mark), f fragment, or
whole sentences that are used as they are written.

Slots: {the} "the red mugs", {bare} "red mugs", {a} "a red mug" or "any red mugs", {each} "red mug" (only
where several are meant), {several} "red mugs" (likewise), {is} {them} agreeing with it, {head} {mod} a noun
and its modifier, {heads} "mugs" (never with a verb: it may be "drinkware"), {whatever} the modifier of
any object at all, {rank} "second from the left" ({rank_one}: of a single object), {one} "the second one from the
left", {nth} {side} its parts, {kept} {removed} {removed_full} {others} {exception} the sides of "except",
{either} {eithers} "a mug or a ball", {first} {second} {third} the groups of "multi"; {thing_to} "something to
drink from", {that} "that you can drink from", {ask} "what could I drink from", {need} "I'm thirsty"; {count}
"three", {all_count} "all three apples", {the_count} "the three apples"; {distractor} "the green bottles",
mentioned but not wanted. A template is used where all its slots exist. A common template suits every family
that has its slots, so no text occurs twice. Held-out templates are kept from train, val and test.
"""

from __future__ import annotations

from instructsam.world.language.templates.chatty import CHATTY
from instructsam.world.language.templates.common import COMMON
from instructsam.world.language.templates.knowing import COUNTING, KNOWLEDGE, LOGIC
from instructsam.world.language.templates.multi import MULTI
from instructsam.world.language.templates.naming import ATTRIBUTE, CATEGORY, EVERYTHING
from instructsam.world.language.templates.placing import COMPARISON, ORDINAL, SPATIAL
from instructsam.world.language.templates.table import Template

__all__ = ["COMMON_TEMPLATES", "OWN_TEMPLATES", "Template"]

COMMON_TEMPLATES: tuple[Template, ...] = COMMON
OWN_TEMPLATES: dict[str, tuple[Template, ...]] = {
    "category": CATEGORY,
    "attribute": ATTRIBUTE,
    "spatial": SPATIAL,
    "ordinal": ORDINAL,
    "comparison": COMPARISON,
    "logic": LOGIC,
    "knowledge": KNOWLEDGE,
    "counting": COUNTING,
    "chatty": CHATTY,
    "everything": EVERYTHING,
    "multi": MULTI,
}
