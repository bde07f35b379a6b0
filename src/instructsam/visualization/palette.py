"""The colours of overlays and reports, distinguishable with every common form of colour blindness.

Okabe and Ito (Color Universal Design, 2008), the bright ones first: outlines are drawn with a dark line beside them.
"""

from __future__ import annotations

Color = tuple[int, int, int]

PALETTE: tuple[Color, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (240, 228, 66),
    (0, 158, 115),
    (204, 121, 167),
    (213, 94, 0),
    (0, 114, 178),
)
SERIES: tuple[Color, ...] = ((0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167))
"""The darker ones, for lines and bars on white paper."""
WHITE: Color = (255, 255, 255)
BLACK: Color = (0, 0, 0)
DARK: Color = (16, 16, 18)
PAPER: Color = (32, 33, 36)
AMBER: Color = (240, 180, 40)


def color_of(index: int) -> Color:
    """The colour of entry `index`; repeats after seven, numbers do not."""
    return PALETTE[index % len(PALETTE)]


def to_hex(color: Color) -> str:
    """A colour as "#rrggbb"."""
    return "#{:02x}{:02x}{:02x}".format(*color)


def ink_on(color: Color) -> Color:
    """Black or white, whichever has more contrast on this colour."""
    red, green, blue = color
    return BLACK if 0.299 * red + 0.587 * green + 0.114 * blue > 110 else WHITE
