"""What stands in a generated street: vehicles, people, trees, poles, signs, houses, walls and fences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .scene_canvas import Canvas, Colour, Kind, mix, shade

Random = np.random.Generator

DARK: Colour = (32, 32, 36)
METAL: Colour = (118, 120, 122)
SKINS: tuple[Colour, ...] = ((224, 184, 156), (188, 138, 104), (120, 84, 62))
PAINTS: tuple[Colour, ...] = (
    (178, 30, 34),
    (34, 60, 130),
    (206, 208, 210),
    (44, 46, 50),
    (128, 132, 138),
    (190, 176, 150),
    (40, 92, 66),
    (198, 140, 40),
)
CLOTHES: tuple[Colour, ...] = (
    (40, 44, 66),
    (150, 40, 46),
    (60, 96, 60),
    (180, 172, 160),
    (66, 60, 56),
    (206, 160, 60),
    (84, 110, 160),
)


def pick(rng: Random, options: Sequence[Colour], spread: float = 14) -> Colour:
    """One of the colours, varied a little."""
    r, g, b = np.asarray(options[int(rng.integers(len(options)))]) + rng.normal(0, spread, 3)
    return float(r), float(g), float(b)


def car(canvas: Canvas, rng: Random, x: float, z: float) -> None:
    """A car from behind or ahead: body, cabin, windows, wheels, lamps."""
    paint, van = pick(rng, PAINTS), rng.random() < 0.25
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
        canvas.upright(x + sign * half * 0.78, z, _rectangle(0.32, 0.16, 0.6), lamp, None)
        canvas.upright(x + sign * half * 0.72, z, _rectangle(0.24, 0.36, 0), DARK, Kind.CAR)
    canvas.upright(x, z, _rectangle(0.5, 0.13, 0.42), (225, 225, 215), None)


def _rectangle(width: float, height: float, base: float) -> list[tuple[float, float]]:
    half, top = width / 2, base + height
    return [(-half, base), (-half, top), (half, top), (half, base)]


def truck(canvas: Canvas, rng: Random, x: float, z: float) -> None:
    """A lorry with a plain box body."""
    paint, length, height = pick(rng, PAINTS), rng.uniform(6, 9), rng.uniform(2.2, 2.7)
    canvas.shadow_below(x, z - 0.3, 3, length + 0.6)
    canvas.box(x, z + 0.2, (2.1, 0.9, length - 0.4), DARK, Kind.TRUCK)
    canvas.box(x, z, (2.4, height, length), paint, Kind.TRUCK, base=0.8)
    canvas.line([(x, 0.85, z), (x, 0.7 + height, z)], 0.06, shade(paint, 0.55), None)
    canvas.upright(x, z, _rectangle(2.3, 0.14, 0.85), shade(paint, 0.5), None)
    for sign in (-1, 1):
        canvas.upright(x + sign * 0.85, z, _rectangle(0.5, 0.8, 0), DARK, Kind.TRUCK)
        canvas.upright(x + sign * 0.95, z, _rectangle(0.26, 0.18, 0.62), (206, 40, 34), None)


def bus(canvas: Canvas, rng: Random, x: float, z: float) -> None:
    """A bus: a band of windows around a bright body."""
    paint = pick(rng, ((204, 170, 40), (178, 40, 40), (60, 120, 160), (220, 220, 214)))
    length = rng.uniform(9, 11)
    canvas.shadow_below(x, z - 0.3, 3, length + 0.6)
    canvas.box(x, z, (2.5, 2.7, length), paint, Kind.BUS, base=0.35)
    _coach(canvas, x, z, (2.5, 1.25, 2.45, length), paint)
    canvas.upright(x, z, _rectangle(1.7, 0.3, 2.6), (30, 30, 30), None)
    canvas.upright(x, z, _rectangle(1.2, 0.1, 2.7), (240, 180, 60), None)
    for sign in (-1, 1):
        canvas.upright(x + sign * 0.95, z, _rectangle(0.4, 0.4, 0), DARK, Kind.BUS)
        canvas.upright(x + sign * 1.0, z, _rectangle(0.28, 0.2, 0.6), (246, 236, 200), None)


def tram(canvas: Canvas, rng: Random, x: float, z: float) -> None:
    """A tram with two stripes and a pantograph."""
    paint, length = pick(rng, ((196, 196, 190), (150, 40, 46), (64, 110, 84))), rng.uniform(14, 22)
    canvas.shadow_below(x, z - 0.3, 3, length + 0.6)
    canvas.box(x, z, (2.4, 3.1, length), paint, Kind.TRAIN, base=0.25)
    _coach(canvas, x, z, (2.4, 1.3, 2.6, length), paint)
    canvas.upright(x, z, _rectangle(2.4, 0.3, 0.75), (170, 36, 40), None)
    canvas.line([(x - 0.5, 3.35, z + 3), (x, 4.2, z + 2), (x + 0.5, 3.35, z + 3)], 0.08, DARK, Kind.TRAIN)
    canvas.disc((x, 0.95, z), (0.16, 0.16), (250, 244, 210), None)


def _coach(
    canvas: Canvas, x: float, z: float, extent: tuple[float, float, float, float], paint: Colour
) -> None:
    """The windows of a bus or tram; `extent`: width, lower and upper edge, length."""
    width, low, high, length = extent
    glass: Colour = (46, 58, 70)
    canvas.upright(x, z, _rectangle(width * 0.86, high - low, low), glass, None)
    canvas.upright(x, z, _rectangle(0.07, high - low, low), shade(paint, 0.6), None)
    side = canvas.camera.side(x, width / 2, z)
    if side:
        edge = x + side * width / 2
        for start in np.arange(z + 0.4, z + length - 1.2, 1.6):
            stop = start + 1.25
            pane = [(edge, low, start), (edge, high, start), (edge, high, stop), (edge, low, stop)]
            canvas.face(pane, glass, None)


def person(
    canvas: Canvas, rng: Random, x: float, z: float, kind: Kind = Kind.PERSON, lift: float = 0
) -> None:
    """Somebody on foot, or seated `lift` metres up as the rider of a vehicle."""
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


def bicycle(canvas: Canvas, rng: Random, x: float, z: float, ridden: bool = False) -> None:
    """A bicycle seen from the side, or from an angle when ridden."""
    frame, turn = pick(rng, PAINTS), 0.45 if ridden else rng.uniform(0.7, 1.0)
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


def motorcycle(canvas: Canvas, rng: Random, x: float, z: float, ridden: bool = False) -> None:
    """A motorcycle seen from an angle."""
    paint, turn = pick(rng, PAINTS), rng.uniform(0.55, 0.9)
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


def tree(canvas: Canvas, rng: Random, x: float, z: float, leaf: Colour) -> None:
    """A trunk under a crown of overlapping discs."""
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


def bush(canvas: Canvas, rng: Random, x: float, z: float, leaf: Colour) -> None:
    """Low foliage."""
    for _ in range(5):
        centre = (x + rng.normal(0, 0.6), rng.uniform(0.2, 0.8), z + rng.uniform(-0.2, 0.2))
        size = rng.uniform(0.4, 0.8)
        canvas.disc(centre, (size, size * 0.8), shade(leaf, rng.uniform(0.6, 1.05)), Kind.VEGETATION)


def lamp_post(canvas: Canvas, rng: Random, x: float, z: float) -> None:
    """A street lamp whose arm reaches over the road."""
    tall, metal = rng.uniform(5, 7), pick(rng, (METAL, (80, 84, 80), (150, 150, 148)), 8)
    arm = -np.sign(x) * 1.3
    canvas.line([(x, 0, z), (x, tall, z)], 0.2, metal, Kind.POLE)
    canvas.line([(x, tall, z), (x + arm, tall + 0.2, z)], 0.14, metal, Kind.POLE)
    canvas.upright(x + arm, z, _rectangle(0.6, 0.18, tall + 0.1), (228, 226, 210), Kind.POLE)


def traffic_sign(canvas: Canvas, rng: Random, x: float, z: float) -> None:
    """A plate on a post: prohibition, warning, information or a yellow board."""
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
        canvas.upright(x, z, _rectangle(0.8, 0.8, y - 0.4), (34, 80, 160), Kind.TRAFFIC_SIGN)
        canvas.upright(x, z, _rectangle(0.3, 0.5, y - 0.25), (236, 236, 232), None)
    else:
        canvas.upright(x, z, _rectangle(1.3, 0.55, y - 0.27), (222, 184, 40), Kind.TRAFFIC_SIGN)
        canvas.upright(x, z, _rectangle(1.0, 0.14, y - 0.07), DARK, None)


def traffic_light(canvas: Canvas, rng: Random, x: float, z: float) -> None:
    """Three lamps, one of them lit, on a post."""
    y, lit = rng.uniform(2.5, 3.2), rng.integers(3)
    canvas.line([(x, 0, z + 0.05), (x, y, z + 0.05)], 0.17, (70, 74, 72), Kind.POLE)
    canvas.upright(x, z, _rectangle(0.5, 1.3, y), (36, 40, 38), Kind.TRAFFIC_LIGHT)
    for number, colour in enumerate(((50, 220, 110), (250, 190, 40), (244, 50, 40))):
        glow = shade(colour, 1.0 if number == lit else 0.3)
        canvas.disc((x, y + 0.25 + 0.4 * number, z), (0.16, 0.16), glow, None)


def prop(canvas: Canvas, rng: Random, x: float, z: float) -> None:
    """Street furniture: a litter bin, a bench, a post box or a planter."""
    choice = rng.integers(4)
    canvas.shadow_below(x, z - 0.2, 1, 0.8)
    if choice == 0:
        canvas.box(x, z, (0.55, 1.0, 0.5), pick(rng, ((70, 96, 74), (96, 92, 88))), Kind.PROP)
        canvas.upright(x, z, _rectangle(0.6, 0.14, 0.9), DARK, Kind.PROP)
    elif choice == 1:
        for base in (0.42, 0.75):
            canvas.upright(x, z, _rectangle(1.6, 0.18, base), (132, 94, 58), Kind.PROP)
        for dx in (-0.65, 0.65):
            canvas.upright(x + dx, z, _rectangle(0.12, 0.8, 0), DARK, Kind.PROP)
    elif choice == 2:
        canvas.box(x, z, (0.6, 1.3, 0.5), pick(rng, ((214, 176, 40), (170, 40, 44))), Kind.PROP)
        canvas.upright(x, z, _rectangle(0.4, 0.07, 1.0), DARK, None)
    else:
        canvas.box(x, z, (1.1, 0.6, 1.0), pick(rng, ((150, 146, 138), (140, 100, 76))), Kind.PROP)


def house(
    canvas: Canvas, rng: Random, side: int, x: float, span: tuple[float, float], paint: Colour, sun: float
) -> None:
    """A house along the road, x metres to a side, from z `span[0]` to `span[1]`, with windows."""
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
    base = mix(paint, pick(rng, PAINTS), 0.45)
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
    canvas: Canvas, rng: Random, side: int, x: float, span: tuple[float, float], paint: Colour, sun: float
) -> None:
    """A wall along the road, with courses and a coping."""
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


def fence(canvas: Canvas, rng: Random, side: int, x: float, span: tuple[float, float], leaf: Colour) -> None:
    """Pickets or bars along the road, on what grows behind."""
    near, far = max(span[0], 1.5), span[1]
    tall, edge = rng.uniform(1.1, 1.9), side * x
    paint = pick(rng, ((150, 120, 90), (190, 186, 178), (70, 84, 74), (110, 76, 56)))
    field = [(edge, 0, near), (edge, tall, near), (edge, tall, far), (edge, 0, far)]
    canvas.face(field, mix(shade(leaf, 0.6), paint, 0.35), Kind.FENCE)
    for z in np.arange(near, far, rng.uniform(0.45, 0.8)):
        canvas.line([(edge, 0, z), (edge, tall, z)], 0.13, paint, None)
    for y in (0.3, tall - 0.12):
        canvas.line([(edge, y, near), (edge, y, far)], 0.09, shade(paint, 0.85), None)
