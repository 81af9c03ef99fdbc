"""Where things stand in a street scene: things on the sidewalks, vehicles on the road, and anomalies."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from . import fixtures, road_users
from .anomalies import paint_anomaly
from .canvas import OVERSAMPLING, Kind
from .street import Street

Thing = tuple[float, Callable[[], None]]
"""The z of a thing, and the function that paints it."""

SMALLEST_ANOMALY = 30
"""Pixels of the final image. Where fewer show an anomaly, another one is painted in front of everything."""


def paint_things(street: Street, anomalies: int) -> None:
    """Paint vehicles, people, street furniture and so many anomalies, from the far end to the near."""
    things = [*_on_sidewalks(street), *_on_road(street)]
    canvas, town, rng = street.canvas, street.town, street.rng
    places: list[tuple[float, float, float]] = []
    for _ in range(anomalies):
        z = rng.uniform(4.5, 20)
        x = rng.uniform(-0.75, 0.75) * min(town.half, 0.42 * z)
        places.append((x, z, rng.uniform(0.6, 2.2)))
    for x, z, scale in places:
        things.append((z, partial(paint_anomaly, canvas, rng, x, z, scale)))
    for _, paint in sorted(things, key=lambda thing: -thing[0]):
        paint()
    for x, _, _ in places:
        visible = np.count_nonzero(np.asarray(canvas.kinds) == Kind.ANOMALY)
        if visible < SMALLEST_ANOMALY * OVERSAMPLING**2:  # it is hidden behind a car, say
            paint_anomaly(canvas, rng, x * 0.5, rng.uniform(4, 6), 0.9)


def _on_sidewalks(street: Street) -> list[Thing]:
    rng, town, canvas = street.rng, street.town, street.canvas
    kerb, middle = town.half + 0.45, town.half + town.kerb / 2
    things: list[Thing] = []

    def add(
        count: float, paint: Callable[..., None], reach: tuple[float, float], where: float, *extra: object
    ) -> None:
        for _ in range(int(rng.poisson(count))):
            z, side = rng.uniform(*reach), 1 if rng.random() < 0.5 else -1
            x = side * (where + rng.uniform(-0.25, 0.25))
            things.append((z, partial(paint, canvas, rng, x, z, *extra)))

    add(3.0, fixtures.lamp_post, (6, 60), kerb)
    add(2.2, fixtures.traffic_sign, (5, 30), kerb)
    add(1.3, fixtures.traffic_light, (6, 30), kerb)
    add(2.0, fixtures.street_furniture, (5, 25), middle)
    add(3.2, road_users.person, (5, 32), middle)
    add(1.0, road_users.bicycle, (4.5, 14), middle)
    add(0.6, road_users.motorcycle, (5, 15), kerb)
    add(2.0, fixtures.tree, (8, 60), town.half + town.kerb - 0.5, street.leaf())
    return things


TRAFFIC: tuple[tuple[Callable[..., None], float, bool], ...] = (
    (road_users.car, 0.42, False),
    (road_users.truck, 0.15, False),
    (road_users.bus, 0.15, False),
    (road_users.tram, 0.08, False),
    (road_users.bicycle, 0.1, True),
    (road_users.motorcycle, 0.1, True),
)
"""What moves on the road: its painter, its chance, and whether a rider is painted on it."""


def _on_road(street: Street) -> list[Thing]:
    rng, town, canvas = street.rng, street.town, street.canvas
    things: list[Thing] = []

    def add(paint: Callable[..., None], x: float, z: float, *extra: object) -> None:
        things.append((z, partial(paint, canvas, rng, x, z, *extra)))

    for side in (-1, 1):
        if rng.random() < 0.55:
            z = rng.uniform(5, 14)
            while z < 55 and rng.random() < 0.75:
                add(road_users.car, side * (town.half - 1.05), z)
                z += rng.uniform(5.5, 9)
        z = rng.uniform(8, 22)
        while z < 70:
            paint, _, ridden = TRAFFIC[rng.choice(len(TRAFFIC), p=[chance for _, chance, _ in TRAFFIC])]
            x = side * street.lane + rng.normal(0, 0.2)
            add(paint, x, z, *((True,) if ridden else ()))
            z += rng.uniform(12, 40)
    if rng.random() < 0.3:
        add(road_users.person, rng.uniform(-2.5, 2.5), rng.uniform(7, 24))
    return things
