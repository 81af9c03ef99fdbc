"""Renders street scenes with the kind of thing that each pixel shows. One seed always gives one scene."""

from __future__ import annotations

import numpy as np

from .scene_painting.background import paint_ground, paint_hood, paint_roadside, paint_sky
from .scene_painting.exposure import Scene, photograph
from .scene_painting.placement import paint_things
from .scene_painting.street import Street, town

REVISION = 1
"""The revision of the drawing code, raised whenever the same seed gives other pixels.

Dataset folders of an older revision are then generated again.
"""


def render(
    seed: tuple[int, ...], place: str, size: tuple[int, int], *, anomalies: bool = False, hood: bool = False
) -> Scene:
    """Render one scene of a town.

    Args:
        seed: fixes everything but the town.
        place: the name of the town.
        size: height and width of the image.
        anomalies: whether the scene holds one or two anomalous objects.
        hood: whether the bonnet of the camera's own car is seen.
    """
    rng = np.random.default_rng(seed)
    street = Street(rng, town(place), size)
    # The order is part of what a seed means, since every step draws from one generator.
    paint_sky(street)
    paint_ground(street)
    paint_roadside(street)
    paint_things(street, 1 + (rng.random() < 0.35) if anomalies else 0)
    if hood:
        paint_hood(street)
    return photograph(street)
