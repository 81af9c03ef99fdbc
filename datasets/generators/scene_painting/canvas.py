"""The canvas of a generated scene, seen by a pinhole camera over flat ground; holds colours, kinds and light.

The axes of the world are in metres: x to the right of the road's middle, y up from the ground, z ahead of the
camera.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from .colours import Colour, mix, shade

Bytes = npt.NDArray[np.uint8]
Point = tuple[float, float, float]
"""World coordinates (x, y, z) in metres."""

OVERSAMPLING = 2
"""A scene is painted at this many times its final height and width."""
NEAREST = 0.9
"""Points closer to the camera than this many metres are moved to this distance: none may lie behind it."""


class Kind(IntEnum):
    """The kind of thing that a pixel shows. The label values of a layout are derived from kinds."""

    SKY = 0
    ROAD = 1
    ROAD_LINE = 2
    SIDEWALK = 3
    TERRAIN = 4
    BUILDING = 5
    WALL = 6
    FENCE = 7
    VEGETATION = 8
    POLE = 9
    TRAFFIC_LIGHT = 10
    TRAFFIC_SIGN = 11
    PROP = 12
    PERSON = 13
    RIDER = 14
    CAR = 15
    TRUCK = 16
    BUS = 17
    TRAIN = 18
    MOTORCYCLE = 19
    BICYCLE = 20
    HOOD = 21
    ANOMALY = 22


@dataclass(frozen=True)
class Camera:
    """A camera that projects the world onto an image of `rows` x `columns` pixels.

    Attributes:
        focal: the focal length in pixels.
        centre: the column of the vanishing point.
        horizon: the row of the horizon.
        height: the camera's height above the ground in metres.
        bend: the curvature of the road, whose middle lies at x = bend · z².
    """

    rows: int
    columns: int
    focal: float
    centre: float
    horizon: float
    height: float
    bend: float

    def project(self, point: Point) -> tuple[float, float]:
        """Project a world point to its column and row in the image."""
        x, y, z = point[0], point[1], max(point[2], NEAREST)
        scale = self.focal / z
        return self.centre + scale * (x + self.bend * z * z), self.horizon + scale * (self.height - y)

    def side(self, x: float, half: float, z: float) -> int:
        """Tell which side of a box of half-width `half` at x the camera sees: -1 left, 1 right, 0 neither."""
        middle = x + self.bend * z * z
        return -1 if middle - half > 0 else 1 if middle + half < 0 else 0


def rectangle(width: float, height: float, base: float) -> list[tuple[float, float]]:
    """Give the outline, as `Canvas.upright` takes it, of a rectangle whose foot is `base` metres up."""
    half, top = width / 2, base + height
    return [(-half, base), (-half, top), (half, top), (half, base)]


class Canvas:
    """The colour, kind and light of every pixel, at `OVERSAMPLING` times the final size, painted far to near.

    Args:
        camera: the camera of the painted (oversampled) image.
        haze: the colour that things fade to with distance.
        sight: the distance in metres at which a colour consists of haze by 63 %.
    """

    def __init__(self, camera: Camera, haze: Colour, sight: float) -> None:
        self.camera = camera
        self.haze = haze
        self.sight = sight
        size = camera.columns, camera.rows
        self.colour = Image.new("RGB", size)
        self.kinds = Image.new("L", size, int(Kind.SKY))
        self.light = Image.new("L", size, 255)
        self._draws = ImageDraw.Draw(self.colour), ImageDraw.Draw(self.kinds), ImageDraw.Draw(self.light)

    def _ink(self, colour: Colour, z: float) -> tuple[int, int, int]:
        mixed = mix(colour, self.haze, 1 - math.exp(-max(z, 0) / self.sight))
        return tuple(min(max(int(c), 0), 255) for c in mixed)  # type: ignore[return-value]

    def face(self, points: Sequence[Point], colour: Colour, kind: Kind | None) -> None:
        """Paint a polygon. With `kind` None, it is a detail, and the kinds of its pixels stay."""
        flat = [self.camera.project(point) for point in points]
        columns, rows = [p[0] for p in flat], [p[1] for p in flat]
        if (
            max(columns) < 0
            or min(columns) > self.camera.columns
            or max(rows) < 0
            or min(rows) > self.camera.rows
        ):
            return
        z = sum(point[2] for point in points) / len(points)
        self._draws[0].polygon(flat, fill=self._ink(colour, z))
        if kind is not None:
            self._draws[1].polygon(flat, fill=int(kind))
            self._draws[2].polygon(flat, fill=255)

    def line(self, points: Sequence[Point], width: float, colour: Colour, kind: Kind | None) -> None:
        """Paint a line that is `width` metres wide, and at least one painted pixel."""
        flat = [self.camera.project(point) for point in points]
        z = sum(point[2] for point in points) / len(points)
        thick = max(1, round(width * self.camera.focal / max(z, NEAREST)))
        self._draws[0].line(flat, fill=self._ink(colour, z), width=thick)
        if kind is not None:
            self._draws[1].line(flat, fill=int(kind), width=thick)
            self._draws[2].line(flat, fill=255, width=thick)

    def disc(
        self, centre: Point, radii: tuple[float, float], colour: Colour, kind: Kind | None, ring: float = 0
    ) -> None:
        """Paint an ellipse that faces the camera. With `ring` > 0, paint only its rim, `ring` metres wide."""
        column, row = self.camera.project(centre)
        scale = self.camera.focal / max(centre[2], NEAREST)
        across, up = max(radii[0] * scale, 0.6), max(radii[1] * scale, 0.6)
        box = (column - across, row - up, column + across, row + up)
        ink = self._ink(colour, centre[2])
        if ring > 0:
            width = max(1, round(ring * scale))
            self._draws[0].ellipse(box, outline=ink, width=width)
            if kind is not None:
                self._draws[1].ellipse(box, outline=int(kind), width=width)
                self._draws[2].ellipse(box, outline=255, width=width)
            return
        self._draws[0].ellipse(box, fill=ink)
        if kind is not None:
            self._draws[1].ellipse(box, fill=int(kind))
            self._draws[2].ellipse(box, fill=255)

    def upright(
        self, x: float, z: float, shape: Sequence[tuple[float, float]], colour: Colour, kind: Kind | None
    ) -> None:
        """Paint a flat figure that faces the camera. `shape` holds its corners (x, y), seen from its foot."""
        self.face([(x + dx, y, z) for dx, y in shape], colour, kind)

    def box(
        self,
        x: float,
        z: float,
        size: tuple[float, float, float],
        colour: Colour,
        kind: Kind,
        base: float = 0,
        sun: float = 1,
    ) -> None:
        """Paint a box whose near face is at z.

        Args:
            size: width, height and length in metres.
            base: the height of the box's underside above the ground.
            sun: the brightness of the side that the camera sees.
        """
        width, height, length = size
        half, top = width / 2, base + height
        if top < self.camera.height:
            roof = [
                (x - half, top, z),
                (x + half, top, z),
                (x + half, top, z + length),
                (x - half, top, z + length),
            ]
            self.face(roof, shade(colour, 1.15), kind)
        side = self.camera.side(x, half, z)
        if side:
            edge = x + side * half
            flank = [(edge, base, z), (edge, top, z), (edge, top, z + length), (edge, base, z + length)]
            self.face(flank, shade(colour, 0.82 * sun), kind)
        self.upright(x, z, [(-half, base), (-half, top), (half, top), (half, base)], colour, kind)

    def shadow(self, points: Sequence[Point], strength: float = 0.55) -> None:
        """Darken a polygon of what is painted so far. What is painted over the shadow later is lit again."""
        flat = [self.camera.project(point) for point in points]
        self._draws[2].polygon(flat, fill=int(255 * strength))

    def shadow_below(self, x: float, z: float, width: float, length: float) -> None:
        """Paint the shadow on the ground below a thing of this width and length whose near edge is at z."""
        half = width / 2
        self.shadow(
            [(x - half, 0, z), (x + half, 0, z), (x + half, 0, z + length), (x - half, 0, z + length)], 0.45
        )
