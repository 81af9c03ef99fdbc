"""A seeded generator of street scenes with a kind for every pixel."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
from PIL import Image

from . import scene_objects as objects
from .scene_anomalies import paint_anomaly
from .scene_canvas import OVERSAMPLING, Bytes, Camera, Canvas, Colour, Kind, mix, shade

REVISION = 1
"""Raised whenever the same seed gives other pixels: trees of an older one are then made anew."""

SIGHT_END = 95.0
"""Metres to which the street is built."""

Random = np.random.Generator
Paint = Callable[[], None]


@dataclass(frozen=True)
class Scene:
    """A generated frame.

    Attributes:
        image: uint8 (H, W, 3).
        kinds: uint8 (H, W), values of `Kind`.
    """

    image: Bytes
    kinds: Bytes


@dataclass(frozen=True)
class Town:
    """What the scenes of a place have in common.

    Attributes:
        half: half the road's width in metres.
        kerb: width of the sidewalk.
        built: share of the roadside that houses take.
    """

    asphalt: Colour
    paving: Colour
    grass: Colour
    leaf: Colour
    plasters: tuple[Colour, ...]
    masonry: Colour
    tint: Colour
    half: float
    kerb: float
    built: float


def town(name: str) -> Town:
    """The town of a name, always the same."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    grey = rng.uniform(70, 104)
    plasters = (
        (196, 170, 130),
        (150, 88, 70),
        (176, 176, 170),
        (120, 116, 112),
        (206, 196, 176),
        (140, 150, 160),
    )
    chosen = rng.choice(len(plasters), 4, replace=False)
    return Town(
        asphalt=(grey, grey * rng.uniform(0.97, 1.02), grey * rng.uniform(0.98, 1.08)),
        paving=shade((1.0, rng.uniform(0.93, 1.0), rng.uniform(0.86, 0.98)), grey + rng.uniform(24, 52)),
        grass=(rng.uniform(84, 128), rng.uniform(112, 132), rng.uniform(58, 80)),
        leaf=(rng.uniform(56, 92), rng.uniform(88, 118), rng.uniform(40, 62)),
        plasters=tuple(plasters[i] for i in chosen),
        masonry=plasters[int(rng.integers(len(plasters)))],
        tint=(rng.uniform(0.93, 1.06), 1.0, rng.uniform(0.93, 1.06)),
        half=rng.uniform(3.6, 4.8),
        kerb=rng.uniform(2.2, 3.4),
        built=rng.uniform(0.45, 0.65),
    )


def render(
    seed: tuple[int, ...], place: str, size: tuple[int, int], *, anomalies: bool = False, hood: bool = False
) -> Scene:
    """A scene of a town.

    Args:
        seed: fixes everything but the town.
        place: the town's name.
        size: rows and columns.
        anomalies: put one or two unseen objects in.
        hood: show the bonnet of the camera's own car.
    """
    rng = np.random.default_rng(seed)
    street = Street(rng, town(place), size)
    street.paint_sky()
    street.paint_ground()
    street.paint_roadside()
    street.paint_things(1 + (rng.random() < 0.35) if anomalies else 0)
    if hood:
        street.paint_hood()
    return street.photograph()


class Street:
    """One scene while it is painted, from far to near."""

    def __init__(self, rng: Random, place: Town, size: tuple[int, int]) -> None:
        self.rng, self.town = rng, place
        rows, columns = size[0] * OVERSAMPLING, size[1] * OVERSAMPLING
        camera = Camera(
            rows,
            columns,
            focal=columns * rng.uniform(0.56, 0.68) * min(1, 1.67 * rows / columns) ** 0.5,
            centre=columns * rng.uniform(0.4, 0.6),
            horizon=rows * rng.uniform(0.4, 0.5),
            height=rng.uniform(1.4, 1.8),
            bend=rng.normal(0, 0.0009),
        )
        weather = rng.choice(3, p=[0.6, 0.25, 0.15])
        self.overcast, self.dusk = weather == 1, weather == 2
        zenith: Colour = ((96, 146, 206), (168, 174, 180), (98, 88, 116))[weather]
        low: Colour = ((196, 212, 226), (204, 206, 206), (222, 168, 138))[weather]
        self.zenith, self.low = shade(zenith, rng.uniform(0.9, 1.1)), low
        self.canvas = Canvas(camera, low, rng.uniform(70, 150) if self.overcast else rng.uniform(120, 400))
        self.sun = 1 if rng.random() < 0.5 else -1
        self.lane = rng.uniform(1.2, 2.2)

    def _lit(self, side: int) -> float:
        """How bright a front on that side of the road is."""
        if self.overcast:
            return 0.92
        return 1.08 if side == self.sun else 0.66

    def paint_sky(self) -> None:
        """A gradient, some clouds and a far skyline."""
        rng, camera = self.rng, self.canvas.camera
        share = np.clip(np.arange(camera.rows) / camera.horizon, 0, 1)[:, None, None]
        sky = np.asarray(self.zenith) * (1 - share) + np.asarray(self.low) * share
        clouds = (
            np.clip(_blotches(rng, (camera.rows, camera.columns), 10) - 0.3, 0, 1.2)[..., None]
            * 0.5
            * (1 - share)
        )
        sky = sky + (np.asarray((240, 240, 240)) - sky) * clouds
        pixels = np.broadcast_to(sky, (camera.rows, camera.columns, 3)).clip(0, 255).astype(np.uint8)
        self.canvas.colour.paste(Image.fromarray(pixels))
        for x in np.arange(-120, 121, 8):
            wooded = rng.random() < 0.55
            tall = rng.uniform(2, 7) if wooded else rng.uniform(4, 16)
            kind = Kind.VEGETATION if wooded else Kind.BUILDING
            colour = self.town.leaf if wooded else shade(self.town.plasters[0], 0.8)
            shape = [
                (-4.5, 0.0),
                (-4.5, tall),
                (rng.uniform(-1, 1), tall + wooded * 1.5),
                (4.5, tall),
                (4.5, 0.0),
            ]
            self.canvas.upright(float(x), SIGHT_END + 10, shape, colour, kind)

    def _strip(self, left: float, right: float, colour: Colour, kind: Kind) -> None:
        """A band of ground along the road, in pieces so that it fades with distance and follows the bend."""
        stops = [0.9, 2, 3, 4.5, 7, 10, 15, 22, 32, 48, 70, 110]
        for near, far in zip(stops[-2::-1], stops[:0:-1], strict=True):
            self.canvas.face(
                [(left, 0, near), (left, 0, far), (right, 0, far), (right, 0, near)], colour, kind
            )

    def paint_ground(self) -> None:
        """Grass, sidewalks, road, markings and the shadows of houses."""
        place, rng = self.town, self.rng
        edge = place.half + place.kerb
        self._strip(-400, 400, place.grass, Kind.TERRAIN)
        for side in (-1, 1):
            inner, outer = sorted((side * place.half, side * edge))
            self._strip(inner, outer, place.paving, Kind.SIDEWALK)
            for z in np.arange(2.0, 26, 1.8):
                self.canvas.line(
                    [(side * place.half, 0, z), (side * edge, 0, z)], 0.05, shade(place.paving, 0.85), None
                )
        self._strip(-place.half, place.half, place.asphalt, Kind.ROAD)
        for _ in range(3):
            x, z = rng.uniform(-place.half, place.half - 1.2), rng.uniform(4, 25)
            patch = [(x, 0, z), (x + 1.2, 0, z), (x + 1.2, 0, z + rng.uniform(1, 4)), (x, 0, z + 2)]
            self.canvas.face(patch, shade(place.asphalt, rng.uniform(0.8, 1.12)), None)
        self._markings()
        for side in (-1, 1):
            inner, outer = sorted((side * place.half, side * (place.half + 0.18)))
            self._strip(inner, outer, shade(place.paving, 1.12), Kind.SIDEWALK)
        if not self.overcast and rng.random() < 0.75:
            reach = rng.uniform(0.3, 1.3) * place.half
            for start in np.arange(1.0, 60, 14):
                far = start + rng.uniform(8, 14)
                x, y = -self.sun * edge, -self.sun * (edge - place.kerb - reach)
                self.canvas.shadow([(x, 0, start), (x, 0, far), (y, 0, far + 2), (y, 0, start + 2)], 0.6)

    def _markings(self) -> None:
        place, rng = self.town, self.rng
        white, kind = shade((212, 210, 204), rng.uniform(0.8, 1.1)), Kind.ROAD_LINE
        for start in np.arange(rng.uniform(1, 5), 70, 6):
            stop = start + 3
            self.canvas.face(
                [(-0.09, 0, start), (-0.09, 0, stop), (0.09, 0, stop), (0.09, 0, start)], white, kind
            )
        if rng.random() < 0.6:
            for side in (-1, 1):
                x = side * (place.half - 0.3)
                self._strip(x - 0.08, x + 0.08, white, kind)
        if rng.random() < 0.3:
            z = rng.uniform(7, 22)
            for x in np.arange(-place.half + 0.3, place.half - 0.3, 0.9):
                stripe = [(x, 0, z), (x, 0, z + 3), (x + 0.45, 0, z + 3), (x + 0.45, 0, z)]
                self.canvas.face(stripe, white, kind)

    def paint_roadside(self) -> None:
        """Houses, walls, fences and greenery beyond the sidewalks, from the far end to the near."""
        rng = self.rng
        blocks: list[tuple[float, Paint]] = []
        for side in (-1, 1):
            near = rng.uniform(-6, 2)
            while near < SIGHT_END:
                far = near + rng.uniform(7, 18)
                if far > 2:
                    blocks.append((far, self._block(side, max(near, 1.0), far)))
                near = far + (rng.uniform(0, 3) if rng.random() < 0.4 else 0)
        for _, paint in sorted(blocks, key=lambda block: -block[0]):
            paint()

    def _block(self, side: int, near: float, far: float) -> Paint:
        rng, place, canvas = self.rng, self.town, self.canvas
        edge, span, sun, draw = place.half + place.kerb, (near, far), self._lit(side), rng.random()
        if draw < place.built:
            paint = objects.pick(rng, place.plasters)
            return lambda: objects.house(canvas, rng, side, edge + 0.3, span, paint, sun)
        rest = (draw - place.built) / (1 - place.built)

        def green() -> None:
            for z in np.arange(far - 1, near + 1, -3.0):
                if rng.random() < 0.6:
                    objects.tree(canvas, rng, side * (edge + rng.uniform(1.5, 4)), float(z), self._leaf())
                else:
                    objects.bush(canvas, rng, side * (edge + rng.uniform(1, 2.5)), float(z), self._leaf())

        def walled() -> None:
            green()
            objects.wall(canvas, rng, side, edge + 0.2, span, objects.pick(rng, (place.masonry,)), sun)

        def fenced() -> None:
            green()
            objects.fence(canvas, rng, side, edge + 0.2, span, place.leaf)

        return walled if rest < 0.38 else fenced if rest < 0.72 else green

    def _leaf(self) -> Colour:
        return objects.pick(self.rng, (self.town.leaf, mix(self.town.leaf, (120, 104, 50), 0.4)), 8)

    def paint_things(self, anomalies: int) -> None:
        """Vehicles, people, furniture and unseen objects, from the far end to the near."""
        things = [*self._on_sidewalks(), *self._on_road()]
        canvas, place, rng = self.canvas, self.town, self.rng
        odd: list[tuple[float, float, float]] = []
        for _ in range(anomalies):
            z = rng.uniform(4.5, 20)
            x = rng.uniform(-0.75, 0.75) * min(place.half, 0.42 * z)
            odd.append((x, z, rng.uniform(0.6, 2.2)))
        for x, z, scale in odd:
            things.append((z, partial(paint_anomaly, canvas, rng, x, z, scale)))
        for _, paint in sorted(things, key=lambda thing: -thing[0]):
            paint()
        for x, _, _ in odd:
            seen = np.count_nonzero(np.asarray(canvas.kinds) == Kind.ANOMALY)
            if seen < 30 * OVERSAMPLING**2:  # hidden behind a car: put another in front
                paint_anomaly(canvas, rng, x * 0.5, rng.uniform(4, 6), 0.9)

    def _on_sidewalks(self) -> list[tuple[float, Paint]]:
        rng, place, canvas = self.rng, self.town, self.canvas
        kerb, middle = place.half + 0.45, place.half + place.kerb / 2
        things: list[tuple[float, Paint]] = []

        def add(
            count: float, paint: Callable[..., None], reach: tuple[float, float], where: float, *extra: object
        ) -> None:
            for _ in range(int(rng.poisson(count))):
                z, side = rng.uniform(*reach), 1 if rng.random() < 0.5 else -1
                x = side * (where + rng.uniform(-0.25, 0.25))
                things.append((z, partial(paint, canvas, rng, x, z, *extra)))

        add(3.0, objects.lamp_post, (6, 60), kerb)
        add(2.2, objects.traffic_sign, (5, 30), kerb)
        add(1.3, objects.traffic_light, (6, 30), kerb)
        add(2.0, objects.prop, (5, 25), middle)
        add(3.2, objects.person, (5, 32), middle)
        add(1.0, objects.bicycle, (4.5, 14), middle)
        add(0.6, objects.motorcycle, (5, 15), kerb)
        add(2.0, objects.tree, (8, 60), place.half + place.kerb - 0.5, self._leaf())
        return things

    def _on_road(self) -> list[tuple[float, Paint]]:
        rng, place, canvas = self.rng, self.town, self.canvas
        things: list[tuple[float, Paint]] = []

        def place_one(paint: Callable[..., None], x: float, z: float, *extra: object) -> None:
            things.append((z, partial(paint, canvas, rng, x, z, *extra)))

        for side in (-1, 1):
            if rng.random() < 0.55:
                z = rng.uniform(5, 14)
                while z < 55 and rng.random() < 0.75:
                    place_one(objects.car, side * (place.half - 1.05), z)
                    z += rng.uniform(5.5, 9)
            z = rng.uniform(8, 22)
            while z < 70:
                kind = rng.choice(6, p=[0.42, 0.15, 0.15, 0.08, 0.1, 0.1])
                paint = (
                    objects.car,
                    objects.truck,
                    objects.bus,
                    objects.tram,
                    objects.bicycle,
                    objects.motorcycle,
                )[kind]
                x = side * self.lane + rng.normal(0, 0.2)
                place_one(paint, x, z, *((True,) if kind > 3 else ()))
                z += rng.uniform(12, 40)
        if rng.random() < 0.3:
            place_one(objects.person, rng.uniform(-2.5, 2.5), rng.uniform(7, 24))
        return things

    def paint_hood(self) -> None:
        """The bonnet along the bottom."""
        camera = self.canvas.camera
        across = np.linspace(-0.05, 1.05, 23)
        top = camera.rows * (0.985 - 0.055 * np.clip(1 - (2 * across - 1) ** 2, 0, 1) ** 0.5)
        z = 1.0
        outline = [
            (
                (c * camera.columns - camera.centre) * z / camera.focal,
                camera.height - (r - camera.horizon) * z / camera.focal,
            )
            for c, r in zip(across, top, strict=True)
        ]
        outline += [(outline[-1][0], -9.0), (outline[0][0], -9.0)]
        self.canvas.upright(-camera.bend, z, outline, (46, 48, 54), Kind.HOOD)

    def photograph(self) -> Scene:
        """Texture, light, blur, exposure and noise; then the final size."""
        rng, canvas = self.rng, self.canvas
        kinds = np.asarray(canvas.kinds)
        pixels = np.asarray(canvas.colour, np.float32)
        coarse, fine = _blotches(rng, kinds.shape, 24), rng.standard_normal(kinds.shape, np.float32)
        texture = 1 + _COARSE[kinds] * coarse + _FINE[kinds] * fine
        light = np.asarray(canvas.light.resize(canvas.light.size, Image.Resampling.BICUBIC), np.float32) / 255
        pixels = pixels * (texture * light)[..., None]
        rows, columns = kinds.shape[0] // OVERSAMPLING, kinds.shape[1] // OVERSAMPLING
        pixels = pixels.reshape(rows, OVERSAMPLING, columns, OVERSAMPLING, 3).mean((1, 3))
        gain = rng.uniform(0.5, 0.72) if self.dusk else rng.uniform(0.85, 1.12)
        pixels = pixels * (
            gain * np.asarray(self.town.tint, np.float32) * rng.uniform(0.96, 1.04, 3).astype(np.float32)
        )
        pixels = pixels + rng.standard_normal(pixels.shape, np.float32) * np.float32(rng.uniform(2, 8))
        half = OVERSAMPLING // 2
        return Scene(
            pixels.clip(0, 255).round().astype(np.uint8), kinds[half::OVERSAMPLING, half::OVERSAMPLING].copy()
        )


def _blotches(rng: Random, size: tuple[int, ...], cells: int) -> npt.NDArray[np.float32]:
    """Smooth noise of unit variance at its `cells` knots a column."""
    knots = rng.standard_normal((cells, cells * 2), np.float32)
    field = Image.fromarray(knots).resize((size[1], size[0]), Image.Resampling.BICUBIC)
    return np.asarray(field, np.float32)


def _amplitudes(**values: float) -> npt.NDArray[np.float32]:
    table = np.full(len(Kind), 0.02, np.float32)
    for name, value in values.items():
        table[Kind[name]] = value
    return table


_COARSE = _amplitudes(
    VEGETATION=0.16, TERRAIN=0.1, ROAD=0.05, SIDEWALK=0.06, BUILDING=0.05, WALL=0.08, SKY=0.0
)
_FINE = _amplitudes(
    VEGETATION=0.28, TERRAIN=0.16, ROAD=0.08, SIDEWALK=0.09, BUILDING=0.05, WALL=0.11, SKY=0.004, FENCE=0.1
)
