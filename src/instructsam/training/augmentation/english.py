"""The English words that decide what an image may lose, and side words of other languages."""

from __future__ import annotations

import re


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


LEFT_TO_RIGHT = {
    "left": "right", "leftmost": "rightmost", "leftward": "rightward", "leftwards": "rightwards",
    "lefthand": "righthand", "lefty": "righty",
}  # fmt: skip
OPPOSITE = {**LEFT_TO_RIGHT, **{right: left for left, right in LEFT_TO_RIGHT.items()}}

# "left" and "right" are sides after the first of these words and before the second.
BEFORE_SIDE = _words("""
    on to far top bottom upper lower back front middle center centre rear extreme your my our his her its their
    first second third fourth fifth last very immediate hard between and or from
""")
AFTER_SIDE = _words("""
    of hand handed side sided most half corner edge end part third quarter one ones arm leg foot eye ear wing
    shoe glove door wheel lane facing to column
""")
NO_SIDE = re.compile(
    r"\bleft[- ]?overs?\b|\bleft (?:behind|alone|out|open|unattended|empty|over|in|on|at|by)\b"
    r"|\bright (?:now|away|there|here|next|behind|in|above|below|under|beneath|beside|before|after|by|at|on)\b"
    r"|\bright[- ]angle[ds]?\b"
    r"|\b(?:all|not|copy|human|civil) rights?\b",
    re.IGNORECASE,
)
# Words with "left" or "right" in them that are no sides; any other one may be, such as "topleft" and "leftside".
NO_SIDE_INSIDE = _words("""
    bright brighter brightest brightly brighten brightness brightened cleft leftover leftovers upright uprights outright
    copyright copyrights copyrighted fright frightened frightening rights playwright wheelwright
""")
SHORT_SIDES = _words("l r lt rt lft rgt lhs rhs")
CLEAR_AFTER_THE = ("in", "on", "at", "by", "next")  # the dog on the left in the grass
FOREIGN_SIDE = re.compile(
    r"\b(links|linke[nrs]?|rechts|rechte[nrs]?|gauche|droite?|izquierd[ao]s?|derech[ao]s?|esquerd[ao]s?|direit[ao]s?"
    r"|sinistr[aeio]|destr[aeio]|lew[aey]|praw[aey]|hidari|migi)\b",
    re.IGNORECASE,
)

# Places, order, number, comparison and distance: they hold for the picture as a whole.
OF_THE_PICTURE = _words("""
    top topmost bottom middle center centre central upper lower corner edge side sides half quarter row column
    background foreground front back rear behind above below under underneath beneath over between among near
    nearest nearer next beside closest closer close far farther farthest further furthest adjacent opposite
    across facing towards toward along around outside surrounding line order first second third fourth fifth
    sixth seventh eighth ninth tenth last end number count total other others another rest remaining except same
    different similar two three four five six seven eight nine ten single pair couple few several many more less
    least fewer fewest than large larger largest big bigger biggest small smaller smallest little tall taller
    tallest short shorter shortest long longer longest wide wider widest high higher highest low lowest main
    whole entire picture image photo scene frame screen view camera viewer
""")

# Text and directions in the picture, which a mirror would make unreadable or wrong.
READING = _words("""
    text word words letter letters written writes says saying say said reads reading spells spelled sign signs
    label labels labeled labelled logo logos brand title number numbers numbered digit digits jersey license
    licence caption headline clock clocks watch clockwise counterclockwise anticlockwise map flag east west
    eastern western
""")

COLORS = _words("""
    red orange yellow green blue purple violet pink brown black white grey gray silver gold golden beige tan
    cyan turquoise teal magenta maroon navy cream blond blonde dark darker darkest light lighter lightest bright
    brighter brightest pale color colour colors colours colored coloured colorful colourful ripe rusty reddish
    bluish greenish yellowish brownish whitish greyish grayish
""")
