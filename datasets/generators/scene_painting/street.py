"""What is fixed before a street scene is painted: its town, the camera, the weather and the light."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from .canvas import OVERSAMPLING, Camera, Canvas
from .colours import Colour, mix, pick, shade

SIGHT_END = 95.0
"""The distance in metres up to which a street is built."""


@dataclass(frozen=True)
class Town:
    """The colours and widths that all scenes of one town have in common.

    Attributes:
        plasters: the colours of the fronts of houses.
        masonry: the colour of walls.
        tint: factors by which red, green and blue are multiplied in its photographs.
        half: half of the road's width in metres.
        kerb: the width of a sidewalk in metres.
        built: the share of the roadside that houses take.
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

    @property
    def edge(self) -> float:
        """The distance in metres from the road's middle to the outer edge of a sidewalk."""
        return self.half + self.kerb


def town(name: str) -> Town:
    """Draw the town of a name. The same name always gives the same town."""
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


class Street:
    """One scene of a town with its own camera, weather and light, and the canvas that it is painted on.

    The order of draws from `rng` decides the scene: whoever changes it raises `scenes.REVISION`.

    Args:
        rng: the source of everything that is drawn for this scene.
        town: the town that the street lies in.
        size: height and width of the final image.
    """

    def __init__(self, rng: Generator, town: Town, size: tuple[int, int]) -> None:
        self.rng, self.town = rng, town
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

    def front_light(self, side: int) -> float:
        """The brightness of a front on the left (-1) or right (1) side of the road."""
        if self.overcast:
            return 0.92
        return 1.08 if side == self.sun else 0.66

    def leaf(self) -> Colour:
        """Draw the colour of one plant."""
        return pick(self.rng, (self.town.leaf, mix(self.town.leaf, (120, 104, 50), 0.4)), 8)
