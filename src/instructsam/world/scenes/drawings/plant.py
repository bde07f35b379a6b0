"""Flower, tree, cactus."""

from __future__ import annotations

from random import Random

from instructsam.world.scenes.drawings.geometry import arc, ellipse, turn
from instructsam.world.scenes.drawings.sketch import BLUSH, CREAM, LEAF, TWIG, Rgb, Sketch, mix

HONEY: Rgb = (250, 204, 96)
CLAY: Rgb = (206, 150, 118)


def flower(sketch: Sketch, vary: Random) -> None:
    petals, start = vary.choice((5, 6)), vary.randrange(72)
    long = vary.uniform(0.34, 0.4) if petals == 5 else vary.uniform(0.31, 0.36)
    bend = vary.uniform(-0.12, 0.12)
    green = mix(LEAF, (24, 16, 32), 0.2)
    sketch.stroke([(0.0, 0.0), (bend * 0.6, 0.8), (bend, 1.48)], 0.13, green)
    for side, y in ((-1, 1.36), (1, 1.22)):
        leaf = [(0.0, 0.0), (side * 0.2, -0.26), (side * 0.58, -0.34), (side * 0.44, -0.04)]
        sketch.blob([(bend * 0.85 + dx, y + dy) for dx, dy in leaf], LEAF)
    for index in range(petals):
        petal = ellipse(0.5, 0.0, 0.36, long)
        sketch.fill(turn(petal, start + index * 360 // petals))
    sketch.disc(0.0, 0.0, 0.44, outlined=False)
    sketch.disc(0.0, 0.0, 0.25, color=HONEY)
    if vary.random() < 0.5:
        sketch.face(0.0, -0.03, 0.3)


def tree(sketch: Sketch, vary: Random) -> None:
    wide, high = vary.uniform(0.44, 0.54), vary.uniform(0.4, 0.5)
    trunk = [(-0.13, -0.2), (0.13, -0.2), (0.15, 0.8), (0.27, 1.02), (-0.27, 1.02), (-0.15, 0.8)]
    sketch.fill(trunk, TWIG)
    bumps = [(-wide, 0.04, 0.4), (wide, 0.04, 0.4), (0.0, 0.14, 0.38), (-wide * 0.8, -high, 0.4)]
    bumps += [(wide * 0.8, -high, 0.4), (0.0, -high * 1.6, 0.42)]
    for x, y, radius in bumps:
        sketch.disc(x, y, radius)
    for x, y, radius in bumps:
        sketch.disc(x, y, radius - 0.03, outlined=False)
    sketch.disc(0.0, -high * 0.5, 0.5, outlined=False)
    turned = vary.choice((-1, 1))
    for x, y, start in ((-0.12, -0.52, 230), (0.3, -0.16, 290), (-0.5, -0.02, 80)):
        first = start if turned > 0 else 180 - start
        sketch.stroke(arc(turned * x, y, 0.22, 0.2, first, first + turned * 100, 6), 0.05, sketch.ink)


def cactus(sketch: Sketch, vary: Random) -> None:
    top, thick = vary.uniform(-1.1, -0.95), vary.uniform(0.3, 0.34)
    arms = [(-1, vary.uniform(0.02, 0.2), vary.uniform(0.4, 0.6))]
    arms.append((1, vary.uniform(-0.2, 0.0), vary.uniform(0.36, 0.5)))
    paths = []
    for side, y, long in arms:
        elbow = [(side * 0.46, y), (side * 0.6, y - 0.04), (side * 0.66, y - 0.18)]
        paths.append([(0.0, y), *elbow, (side * 0.66, y - long)])
        sketch.stroke(paths[-1], 0.25, outlined=True)
    sketch.stroke([(0.0, top + thick), (0.0, 0.6)], 2 * thick, outlined=True)
    for path in paths:
        sketch.stroke(path[:2], 0.24)
    for x in (-0.13, 0.13):
        for y in (0.0, 0.28, 0.56):
            sketch.stroke([(x, top + 0.3 + y), (x, top + 0.4 + y)], 0.05, sketch.ink)
    if vary.random() < 0.5:
        for dx in (-0.12, 0.12):
            sketch.disc(dx, top, 0.12, color=BLUSH)
        sketch.disc(0.0, top - 0.06, 0.12, color=BLUSH)
    pot = mix(CLAY, CREAM, vary.uniform(0.1, 0.5))
    sketch.fill([(-0.42, 0.6), (0.42, 0.6), (0.32, 1.02), (-0.32, 1.02)], pot)
    sketch.fill([(-0.5, 0.48), (0.5, 0.48), (0.5, 0.66), (-0.5, 0.66)], pot)
