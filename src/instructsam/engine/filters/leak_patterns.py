"""Patterns of words that refer to the marks of a picture; for text in lower case, on one line."""

from __future__ import annotations

import re

DIGITS = r"(?<![\w.])(?:[1-9]\d?|1\d\d|200)(?![\w%]|[.:,]\d)"
"""A number that a mark may have: a picture has at most 200."""


def _words(text: str) -> str:
    """Any of these words; "s?" and the like may end one."""
    return f"(?:{'|'.join(text.split())})"


_NUMBER_WORD = _words("one(?!\\sof) two three four five six seven eight nine ten eleven twelve")
_NUMBER = rf"(?:{DIGITS}|\b{_NUMBER_WORD}\b)"
_UNIT = _words(
    "feet foot inch(?:es)? cm m met(?:er|re)s? kg lbs? pounds? lit(?:er|re)s? years? hours? euros?"
)
_COLOR = _words(
    "red green blue yellow orange purple pink cyan magenta white black colou?red bright dashed solid"
)
_NAME = _words(
    r"masks? objects? obj instances? regions? segments? labels? bounding\sbox(?:es)? box(?:es)? marks? markers? index "
    r"entit(?:y|ies) items? ids?"
)
_AS = r"(?:(?:as|with|by|the|an?|number|numbers|digit|mask|no|id|tag|label|index)\b[.:]? ?)*#?"
_THING = _words(
    "objects? items? regions? areas? instances? persons? people man men woman women things? ones? entit(?:y|ies) "
    "parts? animals? elements?"
)
_OF_TEXT = _words(
    "hair text words? letters? lettering lines? passages? rows? cells? sentences? logos? fonts? tattoos? shapes? "
    "paragraphs? dates? pages? maps? books?"
)
_DRAWN = _words("outlined highlighted circled boxed")
_FRAME = _words("box(?:es)? rectangles? outlines? contours?")
_ORDER = _words("segment select find show mask mark return pick choose highlight outline")
_BESIDE = r"(?:next to|behind|near|beside|above|below|left of|right of|in front of)"
_LIST = rf"{DIGITS}(?: ?(?:, ?|\band\b|\bor\b|&) ?{DIGITS})*"

_IS_MARKED = _words("marked highlighted outlined annotated numbered")
_NAMED = _words("annotated tagged indicated denoted designated assigned identified listed enclosed")
_AFTER_NUMBER = _words("and or only is are in on at to for from with please together as too")

QUANTITY = re.compile(
    rf"(?:^|[.,;:!?] |\b(?:please|and|then|to|you|me|just|only) )"
    rf"(?:masks?|segment|label|box|mark|index|number) (?:the |any |all )?{_NUMBER} "
    rf"(?:of\b|(?!{_AFTER_NUMBER}\b)\w)"
)
"""An order that names how many: "Segment 3 apples", but not "return segment 6"."""

_CARRIER = _words(
    "bus(?:es)? trams? trains? locomotives? wagons? players? jerseys? shirts? bibs? runners? athletes? riders? "
    "jockeys? cyclists? skiers? swimmers? surfers? drivers? teams? uniforms? caps? helmets? saddle race racing "
    "racers? motorcycles? houses? doors? gates? platforms? lanes? routes? highways? roads? signs? license licence "
    "taxis? trucks? vans? boats? sails? surfboards? buoys? planes? flights? terminals? billiards? balls? pool dice "
    "die dominos? dominoes cards? candles? cakes? balloons? hearts spades clubs diamonds clocks? watch(?:es)? "
    "floors? rooms? elevators? buttons? keys? tables? seats? lockers? channels? pages? sizes? scores? scoreboards? "
    "iphones? boeing airbus tickets? posters? flags? stations? stops? stickers? parking podiums? posts? "
    "mailbox(?:es)? engines? trailers? ambulances?"
)
CARRIERS = re.compile(rf"\b(?:{_CARRIER}|plates?(?= of the)|tags?(?= on))\b")
"""Things that carry a number in a photograph."""

_MARK = (
    rf"\b{_NAME}[.:]? ?(?:(?:numbers?|no|nr|with index)\b[.:]? ?)?#? ?{_NUMBER}(?! ?{_UNIT}\b)",
    rf"\b{_NAMED} {_AS} ?{_NUMBER}",
    rf"\b(?:corresponding to|referred to as|given) (?:the )?(?:number|digit|index) {_NUMBER}",
    rf"\b{_THING} (?:which is |that is )?(?:labell?ed|numbered|marked) {_AS} ?{_NUMBER}",
    r"\b(?:number|numeric|numbered|mark|mask) (?:labels?|tags?|marks?|ids?)\b",
    rf"\b(?:with|having|by) (?:an?|the|its|their) (?:{_COLOR} )?numbers? on (?:it|them|top)\b(?! shirt)",
    r"[\[(] ?" + DIGITS + r" ?[\])](?! ?(?:the|a|an|all|any|every|each)\b)",
)
_OUTLINE = (
    rf"\b{_DRAWN} (?!{_OF_TEXT}\b)(?:\w+ )??{_THING}\b",
    rf"\bthe (?:outlined|highlighted|circled|annotated) (?!{_OF_TEXT}\b)\w",
    rf"(?<!text )(?<!letters )(?<!word )\b(?:{_DRAWN}|marked) (?:in|with|by) (?:an? |the )?(?:\w+ )?"
    rf"(?:{_COLOR}|outlines?|contours?|box(?:es)?|pictures?|images?|photos?)\b",
    rf"\b(?:(?:un)?marked|annotated|labell?ed|tagged|numbered) (?:\w+ )?{_THING}\b",
    rf"\b(?:is|are|was|were|been) {_IS_MARKED}(?: in the \w+)? ?(?:$|[.,;?!])",
    rf"\b{_COLOR} (?:outlines?|contours?|bounding box(?:es)?|overlays?)\b(?! of)",
    rf"\b{_COLOR} (?:borders?|frames?|lines?|box(?:es)?|circles?) around (?:it|them)\b",
    r"\b(?:indicated|shown|denoted) by (?:the|an?) (?:markers?|marks?|outlines?|numbers?)\b",
    rf"\b(?:outlines?|contours?) (?:is|are) (?:drawn|{_COLOR})\b",
    rf"\b(?:enclosed|surrounded|bounded|encircled) (?:in|by|with) (?:an? |the )?(?:{_COLOR} )?{_FRAME}\b",
    r"\b(?:bounding box(?:es)?|bbox(?:es)?|ground truth|set[- ]of[- ]marks?)\b",
    r"\bmasks? (?:that|which) covers?\b",
)
_COORDINATE = (
    r"[\[(] ?\d+(?:\.\d+)?%? ?[,;] ?\d",
    r"\b[xy] ?= ?\d",
    r"\bpixels? \(?\d+ ?, ?\d",
    r"\bcoordinates? ?[\[(\d]|\bat (?:the )?coordinates?\b",
)

STRONG = {
    "a mark": re.compile("|".join(_MARK)),
    "an outline": re.compile("|".join(_OUTLINE)),
    "a coordinate": re.compile("|".join(_COORDINATE)),
    "a file": re.compile(r"[\w-]\.(?:jpe?g|png|webp|bmp|tiff?|gif|heic)\b"),
}
"""Leaks, whatever else the text names."""

WEAK = re.compile(
    "|".join(
        (
            rf"(?:\b(?:numbers?|no\.|nr\.?|digits?|numerals?) #?|# ?){_NUMBER}",
            rf"\b(?:labell?ed|numbered|marked) {_AS} ?{_NUMBER}",
            rf"\b(?:{_ORDER}|{_BESIDE}) {_LIST} ?[.?!]?$",
            rf"{DIGITS} (?:or|and) {DIGITS} ?[.?!]?$",
            rf"^{_LIST} ?[.?!]?$",
            r"\bnumbered \w",
        )
    )
)
"""Leaks where the text names nothing that carries a number."""

SUSPECT = re.compile(
    r"\d|#|number|outlin|highlight|annotat|tagged|contour|overlay|coordinate|circled|boxed|ground|indicated|denoted|"
    r"mark|mask|label|object|obj\b|instance|region|segment|item|index|entit|box|\bids?\b|shown|around|enclosed"
)
"""Every leak has one of these; it saves time for the other texts."""
