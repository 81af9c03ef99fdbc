"""Road users in a generated street: vehicles from behind or ahead, bicycles, motorcycles and people.

Each function paints one road user on the canvas whose foot stands at (x, 0, z).
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from .canvas import Canvas, Kind, rectangle
from .colours import DARK, LACQUERS, METAL, Colour, pick, shade

SKINS: tuple[Colour, ...] = ((224, 184, 156), (188, 138, 104), (120, 84, 62))
CLOTHES: tuple[Colour, ...] = (
    (40, 44, 66),
    (150, 40, 46),
    (60, 96, 60),
    (180, 172, 160),
    (66, 60, 56),
    (206, 160, 60),
    (84, 110, 160),
)


def car(canvas: Canvas, rng: Generator, x: float, z: float) -> None:
    """Paint a car or a van: body, cabin, windows, wheels and lamps."""
    paint, van = pick(rng, LACQUERS), rng.random() < 0.25
    width, length = rng.uniform(1.65, 1.9), rng.uniform(3.6, 4.6)
    waist, roof = (1.05, 1.95) if van else (rng.uniform(0.8, 0.95), rng.uniform(1.35, 1.55))
    half = width / 2
    canvas.shadow_below(x, z - 0.3, width * 1.25, length + 0.6)
    canvas.box(x, z + 0.1, (width * 0.92, 0.4, length * 0.9), DARK, Kind.CAR)
    canvas.box(x, z, (width, waist - 0.25, length), paint, Kind.CAR, base=0.25)
    start = z + (0.1 if van else length * 0.18)
    deep = length * (0.7 if van else 0.52)
    canvas.box(x, start, (width * 0.86, roof - waist, deep), shade(paint, 0.95), Kind.CAR, base=waist)
    inner, low, high = half * 0.72, waist + 0.06, roof - 0.1
    glass: Colour = (52, 62, 74)
    canvas.upright(
        x, start, [(-inner, low), (-inner * 0.9, high), (inner * 0.9, high), (inner, low)], glass, None
    )
    side = canvas.camera.side(x, half, z)
    if side:
        edge = x + side * half * 0.87
        near, far = start + 0.2, start + deep - 0.2
        canvas.face([(edge, low, near), (edge, high, near), (edge, high, far), (edge, low, far)], glass, None)
        for along in (0.18, 0.8):
            wheel = (x + side * half, 0.3, z + length * along)
            canvas.disc(wheel, (0.14, 0.32), DARK, Kind.CAR)
    lamp: Colour = (206, 40, 34) if rng.random() < 0.6 else (246, 240, 206)
    for sign in (-1, 1):
        canvas.upright(x + sign * half * 0.78, z, rectangle(0.32, 0.16, 0.6), lamp, None)
        canvas.upright(x + sign * half * 0.72, z, rectangle(0.24, 0.36, 0), DARK, Kind.CAR)
    canvas.upright(x, z, rectangle(0.5, 0.13, 0.42), (225, 225, 215), None)


def truck(canvas: Canvas, rng: Generator, x: float, z: float) -> None:
    """Paint a lorry with a plain box body."""
    paint, length, height = pick(rng, LACQUERS), rng.uniform(6, 9), rng.uniform(2.2, 2.7)
    canvas.shadow_below(x, z - 0.3, 3, length + 0.6)
    canvas.box(x, z + 0.2, (2.1, 0.9, length - 0.4), DARK, Kind.TRUCK)
    canvas.box(x, z, (2.4, height, length), paint, Kind.TRUCK, base=0.8)
    canvas.line([(x, 0.85, z), (x, 0.7 + height, z)], 0.06, shade(paint, 0.55), None)
    canvas.upright(x, z, rectangle(2.3, 0.14, 0.85), shade(paint, 0.5), None)
    for sign in (-1, 1):
        canvas.upright(x + sign * 0.85, z, rectangle(0.5, 0.8, 0), DARK, Kind.TRUCK)
        canvas.upright(x + sign * 0.95, z, rectangle(0.26, 0.18, 0.62), (206, 40, 34), None)


def bus(canvas: Canvas, rng: Generator, x: float, z: float) -> None:
    """Paint a bus with a band of windows around a bright body."""
    paint = pick(rng, ((204, 170, 40), (178, 40, 40), (60, 120, 160), (220, 220, 214)))
    length = rng.uniform(9, 11)
    canvas.shadow_below(x, z - 0.3, 3, length + 0.6)
    canvas.box(x, z, (2.5, 2.7, length), paint, Kind.BUS, base=0.35)
    _paint_windows(canvas, x, z, (2.5, 1.25, 2.45, length), paint)
    canvas.upright(x, z, rectangle(1.7, 0.3, 2.6), (30, 30, 30), None)
    canvas.upright(x, z, rectangle(1.2, 0.1, 2.7), (240, 180, 60), None)
    for sign in (-1, 1):
        canvas.upright(x + sign * 0.95, z, rectangle(0.4, 0.4, 0), DARK, Kind.BUS)
        canvas.upright(x + sign * 1.0, z, rectangle(0.28, 0.2, 0.6), (246, 236, 200), None)


def tram(canvas: Canvas, rng: Generator, x: float, z: float) -> None:
    """Paint a tram with two stripes and a pantograph."""
    paint, length = pick(rng, ((196, 196, 190), (150, 40, 46), (64, 110, 84))), rng.uniform(14, 22)
    canvas.shadow_below(x, z - 0.3, 3, length + 0.6)
    canvas.box(x, z, (2.4, 3.1, length), paint, Kind.TRAIN, base=0.25)
    _paint_windows(canvas, x, z, (2.4, 1.3, 2.6, length), paint)
    canvas.upright(x, z, rectangle(2.4, 0.3, 0.75), (170, 36, 40), None)
    canvas.line([(x - 0.5, 3.35, z + 3), (x, 4.2, z + 2), (x + 0.5, 3.35, z + 3)], 0.08, DARK, Kind.TRAIN)
    canvas.disc((x, 0.95, z), (0.16, 0.16), (250, 244, 210), None)


def _paint_windows(
    canvas: Canvas, x: float, z: float, extent: tuple[float, float, float, float], paint: Colour
) -> None:
    """Paint the windows of a bus or tram. `extent`: its width, their lower and upper edge, its length."""
    width, low, high, length = extent
    glass: Colour = (46, 58, 70)
    canvas.upright(x, z, rectangle(width * 0.86, high - low, low), glass, None)
    canvas.upright(x, z, rectangle(0.07, high - low, low), shade(paint, 0.6), None)
    side = canvas.camera.side(x, width / 2, z)
    if side:
        edge = x + side * width / 2
        for start in np.arange(z + 0.4, z + length - 1.2, 1.6):
            stop = start + 1.25
            pane = [(edge, low, start), (edge, high, start), (edge, high, stop), (edge, low, stop)]
            canvas.face(pane, glass, None)


def bicycle(canvas: Canvas, rng: Generator, x: float, z: float, ridden: bool = False) -> None:
    """Paint a bicycle, seen from the side, or from an angle when somebody rides it."""
    frame, turn = pick(rng, LACQUERS), 0.45 if ridden else rng.uniform(0.7, 1.0)
    reach = 0.52 * turn
    for sign in (-1, 1):
        canvas.disc((x + sign * reach, 0.34, z), (0.33 * turn, 0.34), DARK, Kind.BICYCLE, ring=0.09)
    joints = [(-reach, 0.34), (-0.12 * turn, 0.85), (0.4 * turn, 0.8), (0.02, 0.32), (-reach, 0.34)]
    canvas.line([(x + dx, y, z) for dx, y in joints], 0.09, frame, Kind.BICYCLE)
    canvas.line(
        [(x + reach, 0.34, z), (x + 0.4 * turn, 1.0, z), (x + 0.25 * turn, 1.05, z)],
        0.08,
        frame,
        Kind.BICYCLE,
    )
    if ridden:
        person(canvas, rng, x - 0.05, z - 0.05, Kind.RIDER, lift=0.85)


def motorcycle(canvas: Canvas, rng: Generator, x: float, z: float, ridden: bool = False) -> None:
    """Paint a motorcycle, seen from an angle."""
    paint, turn = pick(rng, LACQUERS), rng.uniform(0.55, 0.9)
    canvas.shadow_below(x, z - 0.2, 1.5, 0.6)
    for sign in (-1, 1):
        canvas.disc((x + sign * 0.7 * turn, 0.33, z), (0.32 * turn, 0.33), DARK, Kind.MOTORCYCLE)
        canvas.disc((x + sign * 0.7 * turn, 0.33, z), (0.14 * turn, 0.14), METAL, None)
    body = [(-0.85, 0.7), (-0.3, 0.78), (0.05, 0.95), (0.45, 0.95), (0.6, 0.6), (0.3, 0.3), (-0.4, 0.3)]
    canvas.upright(x, z, [(dx * turn, y) for dx, y in body], paint, Kind.MOTORCYCLE)
    seat = [(-0.8, 0.7), (-0.75, 0.85), (0.0, 0.9), (0.0, 0.78)]
    canvas.upright(x, z, [(dx * turn, y) for dx, y in seat], DARK, Kind.MOTORCYCLE)
    canvas.line([(x + 0.7 * turn, 0.33, z), (x + 0.4 * turn, 1.15, z)], 0.1, METAL, Kind.MOTORCYCLE)
    if ridden:
        person(canvas, rng, x - 0.1, z - 0.05, Kind.RIDER, lift=0.85)


def person(
    canvas: Canvas, rng: Generator, x: float, z: float, kind: Kind = Kind.PERSON, lift: float = 0
) -> None:
    """Paint somebody on foot, or seated `lift` metres up as the rider of a vehicle."""
    tall = rng.uniform(1.5, 1.9)
    shirt, trousers, skin = pick(rng, CLOTHES), pick(rng, CLOTHES), pick(rng, SKINS, 6)
    hip, shoulder = lift + tall * 0.47, lift + tall * 0.82
    if not lift:
        canvas.shadow_below(x, z - 0.1, 0.8, 0.5)
    else:
        hip, shoulder = lift, lift + tall * 0.36
    stride = rng.uniform(0.05, 0.26)
    foot = 0.0 if not lift else lift - 0.55
    for sign in (-1, 1):
        leg = [
            (sign * 0.02, hip),
            (sign * 0.19, hip),
            (sign * (0.1 + stride), foot),
            (sign * (stride - 0.04), foot),
        ]
        canvas.upright(x, z, leg, trousers, kind)
    torso = [(-0.2, hip), (-0.25, shoulder), (0.25, shoulder), (0.2, hip)]
    canvas.upright(x, z, torso, shirt, kind)
    for sign in (-1, 1):
        hand = sign * rng.uniform(0.26, 0.42)
        arm = [
            (sign * 0.2, shoulder),
            (sign * 0.3, shoulder - 0.05),
            (hand + 0.06, hip + 0.02),
            (hand - 0.06, hip),
        ]
        canvas.upright(x, z, arm, shade(shirt, 0.85), kind)
    canvas.disc((x, shoulder + tall * 0.1, z), (tall * 0.068, tall * 0.085), skin, kind)
    canvas.disc(
        (x, shoulder + tall * 0.14, z), (tall * 0.066, tall * 0.05), pick(rng, (DARK, (110, 80, 50))), None
    )
