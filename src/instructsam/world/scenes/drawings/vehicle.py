"""Car, bus, sailboat, airplane; all go to the right."""

from __future__ import annotations

from random import Random

from instructsam.world.scenes.drawings.geometry import box
from instructsam.world.scenes.drawings.sketch import INK, LAMP, STEEL, TWIG, TYRE, WINDOW, Rgb, Sketch, mix


def _wheel(sketch: Sketch, x: float, y: float, radius: float) -> None:
    sketch.disc(x, y, radius, color=TYRE)
    sketch.disc(x, y, radius * 0.48, color=STEEL, outlined=False)


def _pane(sketch: Sketch) -> Rgb:
    """Window glass that reflects a little of the thing's own colour."""
    return mix(WINDOW, sketch.light, 0.4)


def car(sketch: Sketch, vary: Random) -> None:
    high = vary.uniform(0.5, 0.62)
    roof_start, roof_stop = vary.uniform(-0.52, -0.42), vary.uniform(0.14, 0.26)
    cabin = [(roof_start - 0.3, -0.02), (roof_start, -high), (roof_stop, -high), (roof_stop + 0.38, -0.02)]
    sketch.fill(cabin)
    middle = (roof_start + roof_stop) / 2
    rear = [(roof_start - 0.16, -0.06), (roof_start + 0.05, -high + 0.11), (middle - 0.05, -high + 0.11)]
    sketch.fill([*rear, (middle - 0.05, -0.06)], _pane(sketch))
    front = [(middle + 0.06, -0.06), (middle + 0.06, -high + 0.11), (roof_stop - 0.04, -high + 0.11)]
    sketch.fill([*front, (roof_stop + 0.22, -0.06)], _pane(sketch))
    body = [(-1.0, 0.02), (-0.88, -0.14), (0.5, -0.12), (0.9, 0.02), (1.0, 0.18), (1.0, 0.44), (-1.0, 0.44)]
    sketch.fill(body)
    sketch.stroke([(middle, 0.0), (middle, 0.34)], 0.03, sketch.dark)
    sketch.stroke([(middle + 0.1, 0.08), (middle + 0.2, 0.08)], 0.04, sketch.ink)
    sketch.stroke([(-0.94, 0.36), (0.94, 0.36)], 0.06, sketch.dark)
    sketch.disc(0.93, 0.14, 0.07, 0.09, LAMP)
    for x in (-0.55, 0.55):
        _wheel(sketch, x, 0.46, vary.uniform(0.19, 0.22))


def bus(sketch: Sketch, vary: Random) -> None:
    high = vary.uniform(0.62, 0.74)
    sketch.fill(box(-1.0, -high, 1.0, 0.5, 0.13))
    windows = vary.choice((3, 4))
    width = 1.4 / windows
    for index in range(windows):
        x = -0.92 + index * width
        sketch.fill(box(x, -high + 0.16, x + width - 0.11, -0.16, 0.05), _pane(sketch))
    sketch.fill(box(0.52, -high + 0.16, 0.74, 0.4, 0.04), _pane(sketch))
    sketch.fill(box(0.81, -high + 0.16, 1.0, -0.1, 0.03), _pane(sketch))
    sketch.fill(box(-1.0, 0.04, 0.46, 0.16), sketch.light, outlined=False)
    sketch.disc(0.93, 0.22, 0.07, 0.08, LAMP)
    for x in (-0.6, 0.32):
        _wheel(sketch, x, 0.5, 0.19)


def sailboat(sketch: Sketch, vary: Random) -> None:
    top = vary.uniform(-1.12, -0.98)
    sketch.stroke([(0.0, top), (0.0, 0.5)], 0.07, TWIG)
    sketch.blob([(-0.09, top + 0.1), (-0.12, 0.28), (-0.85, 0.3), (-0.52, -0.2)])
    sketch.fill([(0.1, top + 0.2), (0.32, -0.3), (0.72, 0.3), (0.1, 0.3)], sketch.light)
    sketch.fill([(0.0, top), (0.3, top + 0.09), (0.0, top + 0.18)], INK, outlined=False)
    hull = [(-1.0, 0.44), (1.05, 0.44), (0.84, 0.76), (0.6, 0.92), (-0.6, 0.92), (-0.84, 0.76)]
    sketch.fill(hull)
    sketch.stroke([(-0.9, 0.57), (0.95, 0.57)], 0.08, sketch.dark)
    for x in (-0.4, 0.0, 0.4):
        sketch.disc(x, 0.72, 0.06, color=WINDOW, outlined=False)


def airplane(sketch: Sketch, vary: Random) -> None:
    high, fin = vary.uniform(0.32, 0.38), vary.uniform(0.66, 0.78)
    sketch.fill([(0.2, -high * 0.6), (-0.02, -high * 0.6), (-0.32, -0.7), (-0.1, -0.7)], sketch.dark)
    sketch.fill([(-0.5, -high * 0.5), (-0.8, -fin), (-1.06, -fin), (-0.98, -0.06)])
    body = [(-1.08, -0.16), (-0.5, -high * 0.86), (0.3, -high), (0.82, -high * 0.72), (1.08, 0.06)]
    sketch.blob([*body, (0.86, high * 0.8), (0.3, high), (-0.4, high * 0.72), (-1.0, 0.0)])
    sketch.fill([(-0.66, -0.06), (-0.78, -0.06), (-1.2, 0.16), (-1.02, 0.18)], sketch.dark)
    sketch.fill([(0.6, -high * 0.76), (0.8, -high * 0.7), (0.97, -0.06), (0.66, -0.06)], _pane(sketch))
    count = vary.choice((3, 4))
    for index in range(count):
        sketch.disc(0.42 - index * 0.72 / (count - 1), -0.06, 0.075, color=_pane(sketch))
    reach = vary.uniform(0.62, 0.74)
    sketch.fill([(0.36, 0.1), (-0.2, 0.1), (-0.56, reach), (-0.26, reach)])
