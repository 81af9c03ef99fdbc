"""Objects that no training scene holds, such as animals, furniture and balls, in textures of their own."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from .canvas import Canvas, Kind
from .colours import Colour, shade

Outline = list[tuple[float, float]]

ODD: tuple[Colour, ...] = (
    (236, 120, 180),
    (120, 60, 170),
    (64, 200, 196),
    (240, 150, 30),
    (226, 222, 212),
    (124, 86, 58),
    (92, 92, 96),
    (44, 40, 40),
    (150, 200, 70),
)


class Brush:
    """A brush for the parts of one anomalous object.

    The object is `scale` metres tall and its foot stands at (x, base, z). Its two colours, `coat` and `mark`,
    and the side that it is turned to are drawn at random. All coordinates below are in units of its height.
    """

    def __init__(
        self, canvas: Canvas, rng: Generator, x: float, z: float, scale: float, base: float = 0
    ) -> None:
        self.canvas, self.rng = canvas, rng
        self.x, self.z, self.scale, self.base = x, z, scale, base
        first, second = rng.choice(len(ODD), 2, replace=False)
        self.coat, self.mark = ODD[first], ODD[second]
        self.flip = 1 if rng.random() < 0.5 else -1

    def _at(self, x: float, y: float) -> tuple[float, float, float]:
        return self.x + self.flip * x * self.scale, self.base + y * self.scale, self.z

    def shape(self, outline: Outline, colour: Colour, detail: bool = False) -> None:
        """Paint a polygon. A detail changes colours alone: its pixels keep their `Kind`."""
        self.canvas.face([self._at(*p) for p in outline], colour, None if detail else Kind.ANOMALY)

    def oval(
        self, x: float, y: float, radii: tuple[float, float], colour: Colour, detail: bool = False
    ) -> None:
        """Paint an ellipse. A detail changes colours alone: its pixels keep their `Kind`."""
        size = radii[0] * self.scale, radii[1] * self.scale
        self.canvas.disc(self._at(x, y), size, colour, None if detail else Kind.ANOMALY)

    def bar(
        self, start: tuple[float, float], stop: tuple[float, float], width: float, colour: Colour
    ) -> None:
        """Paint a thick line."""
        ends = [self._at(*start), self._at(*stop)]
        self.canvas.line(ends, width * self.scale, colour, Kind.ANOMALY)

    def spots(self, x: float, y: float, radii: tuple[float, float], colour: Colour) -> None:
        """Paint seven spots inside an ellipse."""
        for _ in range(7):
            angle, reach = self.rng.uniform(0, 2 * math.pi), math.sqrt(self.rng.uniform(0, 0.55))
            dx, dy = radii[0] * reach * math.cos(angle), radii[1] * reach * math.sin(angle)
            self.oval(x + dx, y + dy, (radii[0] * 0.17, radii[1] * 0.2), colour, detail=True)


def animal(brush: Brush) -> None:
    """Paint four legs, a body with spots or stripes, neck, head and tail."""
    coat, mark = brush.coat, brush.mark
    neck = brush.rng.uniform(0.0, 0.35)
    for x in (-0.42, -0.3, 0.28, 0.4):
        brush.bar((x, 0), (x * 0.95, 0.45), 0.1, shade(coat, 0.75))
    brush.oval(0, 0.55, (0.55, 0.23), coat)
    brush.bar((0.42, 0.6), (0.6, 0.8 + neck), 0.17, coat)
    brush.oval(0.68, 0.84 + neck, (0.17, 0.11), coat)
    brush.shape([(0.56, 0.9 + neck), (0.6, 1.06 + neck), (0.66, 0.9 + neck)], mark)
    brush.bar((-0.52, 0.6), (-0.75, 0.4), 0.06, mark)
    if brush.rng.random() < 0.5:
        brush.spots(0, 0.55, (0.5, 0.2), mark)
    else:
        for x in np.arange(-0.4, 0.41, 0.2):
            brush.shape([(x, 0.38), (x + 0.07, 0.38), (x + 0.07, 0.73), (x, 0.73)], mark, detail=True)


def bird(brush: Brush) -> None:
    """Paint a round body on two thin legs, with a beak."""
    for x in (-0.08, 0.1):
        brush.bar((x, 0), (x, 0.3), 0.06, (226, 140, 40))
    brush.oval(0, 0.48, (0.42, 0.27), brush.coat)
    brush.oval(-0.08, 0.5, (0.24, 0.14), brush.mark, detail=True)
    brush.oval(0.34, 0.84, (0.17, 0.16), brush.coat)
    brush.bar((0.3, 0.6), (0.34, 0.8), 0.14, brush.coat)
    brush.shape([(0.48, 0.88), (0.72, 0.8), (0.48, 0.76)], (238, 150, 30))


def ball(brush: Brush) -> None:
    """Paint a ball in sectors of two colours."""
    brush.oval(0, 0.5, (0.5, 0.5), brush.coat)
    for start in np.arange(0, 2 * math.pi, 2 * math.pi / 3):
        angles = np.linspace(start, start + math.pi / 3, 5)
        arc = [(0.48 * math.cos(a), 0.5 + 0.48 * math.sin(a)) for a in angles]
        brush.shape([(0, 0.5), *arc], brush.mark, detail=True)


def crate(brush: Brush) -> None:
    """Paint a chequered or cross-braced crate."""
    square = [(-0.5, 0.0), (-0.5, 1.0), (0.5, 1.0), (0.5, 0.0)]
    brush.shape(
        [(-0.5, 1.0), (-0.3, 1.15), (0.7, 1.15), (0.7, 0.15), (0.5, 0.0), (0.5, 1.0)], shade(brush.coat, 0.7)
    )
    brush.shape(square, brush.coat)
    if brush.rng.random() < 0.5:
        for row in range(4):
            for column in range(row % 2, 4, 2):
                left, low = -0.5 + column / 4, row / 4
                cell = [(left, low), (left, low + 0.25), (left + 0.25, low + 0.25), (left + 0.25, low)]
                brush.shape(cell, brush.mark, detail=True)
        return
    for outline in (
        [(-0.5, 0), (-0.5, 0.14), (0.5, 1), (0.5, 0.86)],
        [(-0.5, 0.86), (-0.5, 1), (0.5, 0.14), (0.5, 0)],
        [(-0.5, 0), (-0.5, 0.14), (0.5, 0.14), (0.5, 0)],
        [(-0.5, 0.86), (-0.5, 1), (0.5, 1), (0.5, 0.86)],
    ):
        brush.shape(outline, brush.mark, detail=True)


def armchair(brush: Brush) -> None:
    """Paint an armchair with cushions."""
    brush.shape([(-0.55, 0.1), (-0.5, 1.0), (0.5, 1.0), (0.55, 0.1)], brush.coat)
    brush.shape([(-0.36, 0.45), (-0.34, 0.92), (0.34, 0.92), (0.36, 0.45)], brush.mark, detail=True)
    brush.shape(
        [(-0.36, 0.25), (-0.36, 0.45), (0.36, 0.45), (0.36, 0.25)], shade(brush.mark, 0.75), detail=True
    )
    for side in (-1, 1):
        brush.shape(
            [(side * 0.36, 0.1), (side * 0.36, 0.6), (side * 0.62, 0.6), (side * 0.62, 0.1)],
            shade(brush.coat, 0.8),
        )
        brush.bar((side * 0.5, 0), (side * 0.5, 0.12), 0.08, (40, 36, 34))


def table(brush: Brush) -> None:
    """Paint a table with a striped cloth."""
    for x in (-0.55, 0.55):
        brush.bar((x, 0), (x, 0.8), 0.09, shade(brush.coat, 0.6))
    brush.shape([(-0.75, 0.62), (-0.6, 0.92), (0.6, 0.92), (0.75, 0.62)], brush.coat)
    for x in np.arange(-0.55, 0.5, 0.28):
        brush.shape([(x, 0.64), (x + 0.02, 0.9), (x + 0.14, 0.9), (x + 0.14, 0.64)], brush.mark, detail=True)


def umbrella(brush: Brush) -> None:
    """Paint an open parasol with coloured gores."""
    brush.bar((0, 0), (0, 0.9), 0.06, (210, 206, 196))
    brush.oval(0, 0.03, (0.2, 0.05), shade(brush.mark, 0.6))
    arc = [(0.6 * math.cos(a), 0.65 + 0.4 * math.sin(a)) for a in np.linspace(0, math.pi, 13)]
    brush.shape(arc, brush.coat)
    for start in range(0, 12, 4):
        brush.shape([(0, 1.05), *arc[start : start + 3]], brush.mark, detail=True)


def rocks(brush: Brush) -> None:
    """Paint a heap of boulders in three shades of grey or brown."""
    stone: Colour = ((122, 116, 108), (140, 112, 86), (96, 98, 102))[int(brush.rng.integers(3))]
    for x, y, size in ((-0.4, 0.3, 0.38), (0.42, 0.28, 0.34), (0, 0.62, 0.38)):
        angles = np.sort(brush.rng.uniform(0, 2 * math.pi, 8))
        outline = [(x + size * math.cos(a), max(0.0, y + size * 0.85 * math.sin(a))) for a in angles]
        brush.shape(outline, shade(stone, brush.rng.uniform(0.7, 1.2)))
    brush.oval(0, 0.4, (0.3, 0.3), stone)


def robot(brush: Brush) -> None:
    """Paint boxes for body and head, a dial and two antennae."""
    for x in (-0.18, 0.18):
        brush.bar((x, 0), (x, 0.35), 0.13, shade(brush.coat, 0.6))
        brush.bar((x, 0.9), (x * 1.8, 1.15), 0.04, brush.mark)
    brush.shape([(-0.32, 0.3), (-0.36, 0.7), (0.36, 0.7), (0.32, 0.3)], brush.coat)
    brush.shape([(-0.2, 0.72), (-0.2, 0.98), (0.2, 0.98), (0.2, 0.72)], shade(brush.coat, 0.85))
    brush.oval(0, 0.5, (0.12, 0.12), brush.mark, detail=True)
    for x in (-0.09, 0.09):
        brush.oval(x, 0.86, (0.05, 0.05), (250, 240, 120), detail=True)


def balloon(brush: Brush) -> None:
    """Paint a hot-air balloon in the air."""
    brush.shape([(-0.1, 0.0), (-0.1, 0.14), (0.1, 0.14), (0.1, 0.0)], (110, 80, 50))
    for x in (-0.1, 0.1):
        brush.bar((x, 0.1), (x * 3, 0.45), 0.02, (60, 54, 48))
    brush.oval(0, 0.68, (0.4, 0.36), brush.coat)
    brush.oval(0, 0.68, (0.24, 0.35), brush.mark, detail=True)
    brush.oval(0, 0.68, (0.09, 0.34), brush.coat, detail=True)


ON_THE_GROUND: tuple[Callable[[Brush], None], ...] = (
    animal,
    animal,
    bird,
    ball,
    crate,
    armchair,
    table,
    umbrella,
    rocks,
    robot,
)
"""Objects that stand on the ground. Each entry is equally likely, and `animal` stands twice."""


def paint_anomaly(canvas: Canvas, rng: Generator, x: float, z: float, scale: float) -> None:
    """Paint an anomalous object `scale` metres tall on the ground. One in twelve is a balloon in the air."""
    if rng.random() < 1 / 12:
        balloon(Brush(canvas, rng, x * 2, z + 14, 5 * scale, base=7))
        return
    canvas.shadow_below(x, z - 0.15 * scale, scale, 0.4 * scale)
    ON_THE_GROUND[int(rng.integers(len(ON_THE_GROUND)))](Brush(canvas, rng, x, z, scale))
