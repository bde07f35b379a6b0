"""Wordings per family: (style, text with slots). Styles: c command, q question, f fragment.

Slots: {the} "the red mugs", {bare} "red mugs", {a} "a red mug" or "any red mugs", {each} "red mug" (only
where several are meant), {several} "red mugs" (likewise), {is} {them} agreeing with it, {head} {mod} a noun
and what is said of it, {heads} "mugs", {whatever} what is said of anything at all, {rank} "second from the
left", {one} "the second one from the left", {nth} {side} its parts, {kept} {removed} {removed_full} {others}
{exception} the sides of "except", {either} {eithers} "a mug or a ball", {first} {second} {third} the groups
of "multi". A template is used where all its slots exist. Held-out wordings are kept from train, val and test.
"""

from __future__ import annotations

from dataclasses import dataclass
from string import Formatter


@dataclass(frozen=True)
class Template:
    """One wording; its text is its name in records."""

    style: str
    text: str
    held_out: bool
    slots: frozenset[str]


def _table(rows: str, held_out: bool) -> tuple[Template, ...]:
    found = []
    for line in rows.strip().splitlines():
        style, text = line.strip().split(" ", 1)
        slots = frozenset(name for _, name, _, _ in Formatter().parse(text) if name)
        found.append(Template(style, text, held_out, slots))
    return tuple(found)


_COMMON = _table(
    """
    c segment {the}
    c segment {bare}
    c find {the}
    c find {a}
    c show me {the}
    c highlight {the}
    c outline {the}
    c mark {the}
    c select {the}
    c mask {the}
    c mask out {the}
    c point out {the}
    c pick out {the}
    c cut out {the}
    c give me {the}
    c give me a mask of {the}
    c get {the}
    c locate {the}
    c I want {the}
    c I need {the}, please outline {them}
    c I'm looking for {the}
    c find {the} and outline {them}
    c segment all {several}
    c segment every {each}
    c highlight each {each}
    c mark all the {several}
    q where {is} {the}?
    q can you find {the}?
    q can you see {a}?
    q could you segment {the}?
    q could you outline {the} for me?
    q {is} there {a}?
    q {is} there {a} in the picture?
    q which {is} {the}?
    f {bare}
    f {the}
    f {a}
    """,
    held_out=False,
)
_COMMON_HELD = _table(
    """
    c trace {the}
    c colour in {the}
    c draw around {the}
    q would you isolate {the}?
    c let me see {the}
    c put a mask over {the}
    c label every {each}
    q whereabouts {is} {the}?
    q do you spot {a}?
    q what pixels belong to {the}?
    """,
    held_out=True,
)

_EVERYTHING = _table(
    """
    c segment everything
    c segment all the objects
    c outline every object
    c mark all the things
    c show me everything
    c find every single thing
    c cut out every object
    c select all items
    q what is in the picture?
    q what can you see?
    q which objects are there?
    f everything
    f all objects
    f all of the things
    """,
    held_out=False,
) + _table(
    """
    c trace each and every thing
    c mask whatever is there
    q what's in this image?
    f the whole lot
    """,
    held_out=True,
)

_OWN = {
    "category": _table(
        """
        q which of these {is} {the}?
        q which things are {several}?
        q any {several} here?
        q how many {several} are there? Show me
        q do you see {a}?
        c look for {the}
        c count {the} and mask {them}
        f every {each}
        f all {several}
        f all the {several}
        """,
        held_out=False,
    )
    + _table(
        """
        q got {a}?
        c hunt for {the}
        c round up all {several}
        f {the} here
        """,
        held_out=True,
    ),
    "attribute": _table(
        """
        q which {head} {is} {mod}?
        c find the {head} that {is} {mod}
        c segment the {head} that {is} {mod}
        c show me the {head} which {is} {mod}
        c out of the {heads}, take {the}
        f the {head} that {is} {mod}
        f {head} that {is} {mod}
        c segment everything {whatever}
        c segment anything {whatever}
        c find whatever is {whatever}
        q what is {whatever}?
        q which things are {whatever}?
        q is anything {whatever}?
        f everything {whatever}
        f anything that is {whatever}
        f every {each}
        f all {several}
        f only {the}
        """,
        held_out=False,
    )
    + _table(
        """
        c keep just the {head} that {is} {mod}
        c take whatever happens to be {whatever}
        q does anything look {whatever}?
        q what {head} {is} {mod}?
        f just {the}
        """,
        held_out=True,
    ),
    "spatial": _table(
        """
        q which {head} {is} {mod}?
        q what is {whatever}?
        q what do you see {whatever}?
        q what lies {whatever}?
        q is there anything {whatever}?
        c find the {head} that {is} {mod}
        c segment the {head} {mod}
        c show me whatever is {whatever}
        c segment everything {whatever}
        c outline anything {whatever}
        c mark all {several}
        c look at the {heads} and segment {the}
        f {head} {mod}
        f the {head} {mod}
        f everything {whatever}
        f anything {whatever}
        f every {each}
        """,
        held_out=False,
    )
    + _table(
        """
        c go to {the}
        c pick everything located {whatever}
        c take the {head} found {mod}
        q what have we got {whatever}?
        q {mod}, which {head} do you see?
        f whichever {head} {is} {mod}
        """,
        held_out=True,
    ),
    "ordinal": _table(
        """
        q which {head} {is} {rank_one}?
        q which of the {heads} {is} {rank}?
        q which one of the {heads} is {rank_one}?
        c of the {heads}, segment {one}
        c out of all the {heads}, find {one}
        c among the {heads}, highlight {one}
        c find the {head} that {is} {rank_one}
        c only {the}
        c just {the}, nothing else
        c counting from the {side}, segment the {nth} {head}
        c start at the {side} and take the {nth} {head}
        f of the {heads}, {one}
        f from the {side}, the {nth} {head}
        f {the} only
        """,
        held_out=False,
    )
    + _table(
        """
        c go through the {heads} and pick {one}
        c single out {the}
        c walk in from the {side} to the {nth} {head}
        q what {head} {is} {rank_one}?
        f {the} and no other
        """,
        held_out=True,
    ),
    "logic": _table(
        """
        q which {head} {is} {mod}?
        q what is {whatever}?
        c segment the {head} that {is} {mod}
        c find the {head} that {is} {mod}
        c segment everything that is {whatever}
        c mark anything that is {whatever}
        c take {the}
        c only {the}
        c I want only {the}
        c I'd like {the}
        c find everything that is {either}
        c segment whatever is {either}
        q which things are {eithers}?
        f {head} that {is} {mod}
        f the {head} that {is} {mod}
        f everything that is {whatever}
        f anything that is {either}
        f everything {exception}
        c segment everything {exception}
        c find everything {exception}
        c leave out {removed_full} and segment {others}
        c segment {kept}, but leave out {removed}
        c {kept}, but not {removed}
        """,
        held_out=False,
    )
    + _table(
        """
        c skip {removed_full} but take {others}
        c ignore {removed_full} and outline {others}
        c gather {the}
        c pull out everything that counts as {either}
        c keep the {head} that {is} {mod}
        q what else {exception} is there?
        q anything {whatever}?
        f whichever {head} {is} {mod}
        """,
        held_out=True,
    ),
}

_OWN |= {
    "comparison": _table(
        """
        q which {head} {is} {mod}?
        q what is {whatever}?
        c find the {head} that {is} {mod}
        c segment the {head} that {is} {mod}
        c segment everything that is {whatever}
        c look at the {heads} and segment {the}
        f the {head} that {is} {mod}
        f anything that is {whatever}
        """,
        held_out=False,
    )
    + _table(
        """
        c keep the {head} that {is} {mod}
        q is anything at all {whatever}?
        f whichever {head} {is} {mod}
        """,
        held_out=True,
    ),
    "knowledge": _table(
        """
        q {ask}?
        q {ask} here?
        c find {thing_to}
        c show me {thing_to}
        c {need}, find {thing_to}
        c {need}. Segment {the}
        c segment the {heads} {that}
        f {thing_to}
        f {heads} {that}
        """,
        held_out=False,
    )
    + _table(
        """
        c {need}, mark {thing_to}
        q do you see {thing_to}?
        f any {heads} {that}
        """,
        held_out=True,
    ),
    "counting": _table(
        """
        c segment {all_count}
        c find {all_count}
        c outline {the_count}
        c there should be {count} {heads}, segment them all
        c mark {all_count}
        q where {is} {the_count}?
        q can you find {all_count}?
        f {all_count}
        f {the_count}
        """,
        held_out=False,
    )
    + _table(
        """
        c I count {count} {heads}; trace every one
        q could you trace {all_count}?
        f just {the_count}
        """,
        held_out=True,
    ),
    "chatty": _table(
        """
        c I know you like {distractor}, but today I only care about {the}
        c never mind {distractor}, please segment {the}
        c my son asked for {distractor} first, but please find {the} for me
        c ignore {distractor} and segment {the}
        c we talked about {distractor} yesterday. Now show me {the}
        c forget {distractor}, I'm looking for {the}
        q I don't need {distractor}, but where {is} {the}?
        q leaving {distractor} aside, can you outline {the}?
        """,
        held_out=False,
    )
    + _table(
        """
        c hello there! {distractor} can wait, so just trace {the}
        c somebody else takes care of {distractor}, you take {the}
        f not {distractor}, rather {the}
        """,
        held_out=True,
    ),
}

_MULTI = _table(
    """
    c segment {first}, and separately {second}
    c find {first} and, separately, {second}
    c segment {first} and, as a second group, {second}
    c outline {first}, then also {second}
    c first segment {first}, then {second}
    c first {first}, after that {second}
    c mark {first}. Also mark {second}
    c show me {first}. Then show me {second}
    c give me one mask set for {first} and another for {second}
    c two groups please: {first} and {second}
    c separate groups: {first}, {second}
    c highlight {first} as one group and {second} as another
    q can you find {first}, and separately {second}?
    q where {first_is} {first}, and where {second_is} {second}?
    q could you segment {first} and then {second}?
    f {first}; {second}
    f {first}, and separately {second}
    f 1) {first_bare} 2) {second_bare}
    f {first_bare}; {second_bare}
    c segment {first}, then {second}, and finally {third}
    c three groups: {first}, {second}, {third}
    c separately: {first}, {second} and {third}
    f {first}; {second}; {third}
    f 1) {first_bare} 2) {second_bare} 3) {third_bare}
    """,
    held_out=False,
) + _table(
    """
    c start with {first} and end with {second}
    c treat {first} and {second} as different groups
    c {first} in one layer, {second} in the next
    q {first_is} there {first_a}, and {second_is} there {second_a}?
    f (a) {first_bare} (b) {second_bare}
    f {first} / {second}
    c one by one: {first}, {second}, {third}
    f {first} / {second} / {third}
    """,
    held_out=True,
)

COMMON_TEMPLATES: tuple[Template, ...] = _COMMON + _COMMON_HELD
OWN_TEMPLATES: dict[str, tuple[Template, ...]] = {**_OWN, "everything": _EVERYTHING, "multi": _MULTI}
