"""The background of a street scene: sky, ground, road markings, what lines the road, the car's own bonnet."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from . import fixtures
from .canvas import Kind
from .colours import Colour, pick, shade
from .exposure import smooth_noise
from .street import SIGHT_END, Street

STRIP_ENDS = (0.9, 2, 3, 4.5, 7, 10, 15, 22, 32, 48, 70, 110)
"""The z at which strips of ground are cut, so that the pieces fade with distance and follow the bend."""


def paint_sky(street: Street) -> None:
    """Paint a gradient, some clouds and a skyline far away."""
    rng, camera = street.rng, street.canvas.camera
    share = np.clip(np.arange(camera.rows) / camera.horizon, 0, 1)[:, None, None]
    sky = np.asarray(street.zenith) * (1 - share) + np.asarray(street.low) * share
    noise = smooth_noise(rng, (camera.rows, camera.columns), 10)
    clouds = np.clip(noise - 0.3, 0, 1.2)[..., None] * 0.5 * (1 - share)
    sky = sky + (np.asarray((240, 240, 240)) - sky) * clouds
    pixels = np.broadcast_to(sky, (camera.rows, camera.columns, 3)).clip(0, 255).astype(np.uint8)
    street.canvas.colour.paste(Image.fromarray(pixels))
    for x in np.arange(-120, 121, 8):
        wooded = rng.random() < 0.55
        tall = rng.uniform(2, 7) if wooded else rng.uniform(4, 16)
        kind = Kind.VEGETATION if wooded else Kind.BUILDING
        colour = street.town.leaf if wooded else shade(street.town.plasters[0], 0.8)
        top = rng.uniform(-1, 1), tall + wooded * 1.5
        shape = [(-4.5, 0.0), (-4.5, tall), top, (4.5, tall), (4.5, 0.0)]
        street.canvas.upright(float(x), SIGHT_END + 10, shape, colour, kind)


def _paint_strip(street: Street, left: float, right: float, colour: Colour, kind: Kind) -> None:
    """Paint a strip of ground along the road, from its far end to the near."""
    for near, far in zip(STRIP_ENDS[-2::-1], STRIP_ENDS[:0:-1], strict=True):
        corners = [(left, 0, near), (left, 0, far), (right, 0, far), (right, 0, near)]
        street.canvas.face(corners, colour, kind)


def paint_ground(street: Street) -> None:
    """Paint grass, sidewalks, the road, its markings and the shadows of houses."""
    town, rng, canvas = street.town, street.rng, street.canvas
    edge = town.edge
    _paint_strip(street, -400, 400, town.grass, Kind.TERRAIN)
    for side in (-1, 1):
        inner, outer = sorted((side * town.half, side * edge))
        _paint_strip(street, inner, outer, town.paving, Kind.SIDEWALK)
        for z in np.arange(2.0, 26, 1.8):
            joint = [(side * town.half, 0, z), (side * edge, 0, z)]
            canvas.line(joint, 0.05, shade(town.paving, 0.85), None)
    _paint_strip(street, -town.half, town.half, town.asphalt, Kind.ROAD)
    for _ in range(3):
        x, z = rng.uniform(-town.half, town.half - 1.2), rng.uniform(4, 25)
        patch = [(x, 0, z), (x + 1.2, 0, z), (x + 1.2, 0, z + rng.uniform(1, 4)), (x, 0, z + 2)]
        canvas.face(patch, shade(town.asphalt, rng.uniform(0.8, 1.12)), None)
    _paint_markings(street)
    for side in (-1, 1):
        inner, outer = sorted((side * town.half, side * (town.half + 0.18)))
        _paint_strip(street, inner, outer, shade(town.paving, 1.12), Kind.SIDEWALK)
    if not street.overcast and rng.random() < 0.75:
        reach = rng.uniform(0.3, 1.3) * town.half
        for start in np.arange(1.0, 60, 14):
            far = start + rng.uniform(8, 14)
            x, y = -street.sun * edge, -street.sun * (edge - town.kerb - reach)
            canvas.shadow([(x, 0, start), (x, 0, far), (y, 0, far + 2), (y, 0, start + 2)], 0.6)


def _paint_markings(street: Street) -> None:
    """Paint the dashed middle line and, in some scenes, lines at the edges and a pedestrian crossing."""
    town, rng, canvas = street.town, street.rng, street.canvas
    white, kind = shade((212, 210, 204), rng.uniform(0.8, 1.1)), Kind.ROAD_LINE
    for start in np.arange(rng.uniform(1, 5), 70, 6):
        stop = start + 3
        dash = [(-0.09, 0, start), (-0.09, 0, stop), (0.09, 0, stop), (0.09, 0, start)]
        canvas.face(dash, white, kind)
    if rng.random() < 0.6:
        for side in (-1, 1):
            x = side * (town.half - 0.3)
            _paint_strip(street, x - 0.08, x + 0.08, white, kind)
    if rng.random() < 0.3:
        z = rng.uniform(7, 22)
        for x in np.arange(-town.half + 0.3, town.half - 0.3, 0.9):
            stripe = [(x, 0, z), (x, 0, z + 3), (x + 0.45, 0, z + 3), (x + 0.45, 0, z)]
            canvas.face(stripe, white, kind)


def paint_roadside(street: Street) -> None:
    """Paint houses, walls, fences and greenery beyond the sidewalks, from the far end to the near."""
    rng = street.rng
    blocks: list[tuple[float, Callable[[], None]]] = []
    for side in (-1, 1):
        near = rng.uniform(-6, 2)
        while near < SIGHT_END:
            far = near + rng.uniform(7, 18)
            if far > 2:
                blocks.append((far, _draw_block(street, side, max(near, 1.0), far)))
            near = far + (rng.uniform(0, 3) if rng.random() < 0.4 else 0)
    for _, paint in sorted(blocks, key=lambda block: -block[0]):
        paint()


def _draw_block(street: Street, side: int, near: float, far: float) -> Callable[[], None]:
    """Choose what lines the road from z `near` to `far`, and give the function that paints it."""
    rng, town, canvas = street.rng, street.town, street.canvas
    edge, span, sun, chance = town.edge, (near, far), street.front_light(side), rng.random()
    if chance < town.built:
        plaster = pick(rng, town.plasters)
        return lambda: fixtures.house(canvas, rng, side, edge + 0.3, span, plaster, sun)
    rest = (chance - town.built) / (1 - town.built)

    def green() -> None:
        for z in np.arange(far - 1, near + 1, -3.0):
            if rng.random() < 0.6:
                fixtures.tree(canvas, rng, side * (edge + rng.uniform(1.5, 4)), float(z), street.leaf())
            else:
                fixtures.bush(canvas, rng, side * (edge + rng.uniform(1, 2.5)), float(z), street.leaf())

    def walled() -> None:
        green()
        fixtures.wall(canvas, rng, side, edge + 0.2, span, pick(rng, (town.masonry,)), sun)

    def fenced() -> None:
        green()
        fixtures.fence(canvas, rng, side, edge + 0.2, span, town.leaf)

    return walled if rest < 0.38 else fenced if rest < 0.72 else green


def paint_hood(street: Street) -> None:
    """Paint the bonnet of the camera's own car along the bottom of the image."""
    camera = street.canvas.camera
    across = np.linspace(-0.05, 1.05, 23)
    top = camera.rows * (0.985 - 0.055 * np.clip(1 - (2 * across - 1) ** 2, 0, 1) ** 0.5)
    z = 1.0
    outline = [
        (
            (share * camera.columns - camera.centre) * z / camera.focal,
            camera.height - (row - camera.horizon) * z / camera.focal,
        )
        for share, row in zip(across, top, strict=True)
    ]
    outline += [(outline[-1][0], -9.0), (outline[0][0], -9.0)]
    street.canvas.upright(-camera.bend, z, outline, (46, 48, 54), Kind.HOOD)
