"""Things that stand in a generated street: trees, posts, signs, street furniture, houses, walls, fences."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from .canvas import Canvas, Kind, rectangle
from .colours import DARK, LACQUERS, METAL, Colour, mix, pick, shade


def tree(canvas: Canvas, rng: Generator, x: float, z: float, leaf: Colour) -> None:
    """Paint a trunk under a crown of overlapping discs."""
    tall, spread = rng.uniform(4, 8), rng.uniform(1.2, 2.2)
    canvas.shadow_below(x, z - spread, spread * 2, spread * 2)
    canvas.line([(x, 0, z), (x + rng.normal(0, 0.15), tall * 0.7, z)], 0.32, (78, 60, 44), Kind.VEGETATION)
    for _ in range(9):
        dx, dy = rng.normal(0, spread * 0.5), rng.normal(0, spread * 0.55)
        centre = (x + dx, tall * 0.72 + dy, z)
        size = spread * rng.uniform(0.4, 0.75)
        canvas.disc(
            centre, (size, size * 0.85), shade(leaf, rng.uniform(0.65, 1.2) + 0.1 * dy), Kind.VEGETATION
        )


def bush(canvas: Canvas, rng: Generator, x: float, z: float, leaf: Colour) -> None:
    """Paint low foliage."""
    for _ in range(5):
        centre = (x + rng.normal(0, 0.6), rng.uniform(0.2, 0.8), z + rng.uniform(-0.2, 0.2))
        size = rng.uniform(0.4, 0.8)
        canvas.disc(centre, (size, size * 0.8), shade(leaf, rng.uniform(0.6, 1.05)), Kind.VEGETATION)


def lamp_post(canvas: Canvas, rng: Generator, x: float, z: float) -> None:
    """Paint a street lamp whose arm reaches over the road."""
    tall, metal = rng.uniform(5, 7), pick(rng, (METAL, (80, 84, 80), (150, 150, 148)), 8)
    arm = -np.sign(x) * 1.3
    canvas.line([(x, 0, z), (x, tall, z)], 0.2, metal, Kind.POLE)
    canvas.line([(x, tall, z), (x + arm, tall + 0.2, z)], 0.14, metal, Kind.POLE)
    canvas.upright(x + arm, z, rectangle(0.6, 0.18, tall + 0.1), (228, 226, 210), Kind.POLE)


def traffic_sign(canvas: Canvas, rng: Generator, x: float, z: float) -> None:
    """Paint a plate on a post: a prohibition, a warning, an information sign or a yellow board."""
    y, choice = rng.uniform(2.1, 2.8), rng.integers(4)
    canvas.line([(x, 0, z + 0.05), (x, y, z + 0.05)], 0.13, METAL, Kind.POLE)
    if choice == 0:
        canvas.disc((x, y, z), (0.42, 0.42), (196, 32, 36), Kind.TRAFFIC_SIGN)
        canvas.disc((x, y, z), (0.27, 0.27), (236, 236, 232), None)
    elif choice == 1:
        canvas.upright(
            x, z, [(-0.5, y - 0.35), (0.5, y - 0.35), (0, y + 0.5)], (196, 32, 36), Kind.TRAFFIC_SIGN
        )
        canvas.upright(x, z, [(-0.28, y - 0.22), (0.28, y - 0.22), (0, y + 0.25)], (236, 232, 200), None)
    elif choice == 2:
        canvas.upright(x, z, rectangle(0.8, 0.8, y - 0.4), (34, 80, 160), Kind.TRAFFIC_SIGN)
        canvas.upright(x, z, rectangle(0.3, 0.5, y - 0.25), (236, 236, 232), None)
    else:
        canvas.upright(x, z, rectangle(1.3, 0.55, y - 0.27), (222, 184, 40), Kind.TRAFFIC_SIGN)
        canvas.upright(x, z, rectangle(1.0, 0.14, y - 0.07), DARK, None)


def traffic_light(canvas: Canvas, rng: Generator, x: float, z: float) -> None:
    """Paint three lamps on a post, one of them lit."""
    y, lit = rng.uniform(2.5, 3.2), rng.integers(3)
    canvas.line([(x, 0, z + 0.05), (x, y, z + 0.05)], 0.17, (70, 74, 72), Kind.POLE)
    canvas.upright(x, z, rectangle(0.5, 1.3, y), (36, 40, 38), Kind.TRAFFIC_LIGHT)
    for number, colour in enumerate(((50, 220, 110), (250, 190, 40), (244, 50, 40))):
        glow = shade(colour, 1.0 if number == lit else 0.3)
        canvas.disc((x, y + 0.25 + 0.4 * number, z), (0.16, 0.16), glow, None)


def street_furniture(canvas: Canvas, rng: Generator, x: float, z: float) -> None:
    """Paint street furniture: a litter bin, a bench, a post box or a planter."""
    choice = rng.integers(4)
    canvas.shadow_below(x, z - 0.2, 1, 0.8)
    if choice == 0:
        canvas.box(x, z, (0.55, 1.0, 0.5), pick(rng, ((70, 96, 74), (96, 92, 88))), Kind.PROP)
        canvas.upright(x, z, rectangle(0.6, 0.14, 0.9), DARK, Kind.PROP)
    elif choice == 1:
        for base in (0.42, 0.75):
            canvas.upright(x, z, rectangle(1.6, 0.18, base), (132, 94, 58), Kind.PROP)
        for dx in (-0.65, 0.65):
            canvas.upright(x + dx, z, rectangle(0.12, 0.8, 0), DARK, Kind.PROP)
    elif choice == 2:
        canvas.box(x, z, (0.6, 1.3, 0.5), pick(rng, ((214, 176, 40), (170, 40, 44))), Kind.PROP)
        canvas.upright(x, z, rectangle(0.4, 0.07, 1.0), DARK, None)
    else:
        canvas.box(x, z, (1.1, 0.6, 1.0), pick(rng, ((150, 146, 138), (140, 100, 76))), Kind.PROP)


def house(
    canvas: Canvas, rng: Generator, side: int, x: float, span: tuple[float, float], paint: Colour, sun: float
) -> None:
    """Paint a house with windows along the road.

    Args:
        side: -1 for the left side of the road, 1 for the right one.
        x: the distance of its front from the road's middle in metres.
        span: the z of its near end and of its far end.
        paint: the colour of its walls.
        sun: the brightness of its front.
    """
    near, far = span
    floors = int(rng.integers(2, 6))
    tall, edge = 1.2 + floors * rng.uniform(2.8, 3.3), side * x
    deep = edge + side * 9
    front = shade(paint, 0.88)
    canvas.face(
        [(edge, 0, near), (edge, tall, near), (deep, tall, near), (deep, 0, near)], front, Kind.BUILDING
    )
    canvas.face(
        [(edge, 0, near), (edge, tall, near), (edge, tall, far), (edge, 0, far)],
        shade(paint, sun),
        Kind.BUILDING,
    )
    trim, glass = shade(paint, 0.7 * sun), mix((66, 78, 92), (30, 32, 36), rng.random())
    canvas.face(
        [(edge, tall - 0.4, near), (edge, tall, near), (edge, tall, far), (edge, tall - 0.4, far)], trim, None
    )
    base = mix(paint, pick(rng, LACQUERS), 0.45)
    if rng.random() < 0.5:
        shop = [(edge, 0, near), (edge, 1.2, near), (edge, 1.2, far), (edge, 0, far)]
        canvas.face(shop, shade(base, 0.8 * sun), None)
    step, wide = rng.uniform(2.0, 3.2), rng.uniform(0.9, 1.4)
    for floor in range(floors):
        low = 1.3 + floor * (tall - 1.5) / floors
        high = low + rng.uniform(1.35, 1.5)
        for start in np.arange(max(near, 1.5) + 0.5, far - wide, step):
            stop = start + wide
            pane = [(edge, low, start), (edge, high, start), (edge, high, stop), (edge, low, stop)]
            canvas.face(pane, glass, None)
        for start in np.arange(1.0, 8.0, 2.4):
            left, right = edge + side * start, edge + side * (start + 1.1)
            pane = [(left, low, near), (left, high, near), (right, high, near), (right, low, near)]
            canvas.face(pane, shade(glass, 0.85), None)


def wall(
    canvas: Canvas, rng: Generator, side: int, x: float, span: tuple[float, float], paint: Colour, sun: float
) -> None:
    """Paint a wall along the road, with courses and a coping. The arguments are those of `house`."""
    near, far = span
    tall, edge = rng.uniform(1.6, 3.0), side * x
    canvas.face(
        [(edge, 0, near), (edge, tall, near), (edge, tall, far), (edge, 0, far)], shade(paint, sun), Kind.WALL
    )
    outer = edge + side * 0.4
    canvas.face(
        [(edge, 0, near), (edge, tall, near), (outer, tall, near), (outer, 0, near)], paint, Kind.WALL
    )
    for y in np.arange(0.3, tall - 0.1, 0.35):
        canvas.line([(edge, y, max(near, 1.5)), (edge, y, far)], 0.04, shade(paint, 0.75 * sun), None)
    coping = [(edge, tall - 0.16, near), (edge, tall, near), (edge, tall, far), (edge, tall - 0.16, far)]
    canvas.face(coping, shade(paint, 1.15), None)


def fence(
    canvas: Canvas, rng: Generator, side: int, x: float, span: tuple[float, float], leaf: Colour
) -> None:
    """Paint a fence of pickets or bars along the road. `leaf` is the colour of what grows behind."""
    near, far = max(span[0], 1.5), span[1]
    tall, edge = rng.uniform(1.1, 1.9), side * x
    paint = pick(rng, ((150, 120, 90), (190, 186, 178), (70, 84, 74), (110, 76, 56)))
    field = [(edge, 0, near), (edge, tall, near), (edge, tall, far), (edge, 0, far)]
    canvas.face(field, mix(shade(leaf, 0.6), paint, 0.35), Kind.FENCE)
    for z in np.arange(near, far, rng.uniform(0.45, 0.8)):
        canvas.line([(edge, 0, z), (edge, tall, z)], 0.13, paint, None)
    for y in (0.3, tall - 0.12):
        canvas.line([(edge, y, near), (edge, y, far)], 0.09, shade(paint, 0.85), None)
