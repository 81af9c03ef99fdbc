"""Colours of painted things, and how they are varied."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator

Colour = tuple[float, float, float]
"""Red, green and blue, from 0 to 255 each. Values beyond are clipped when a colour is painted."""

DARK: Colour = (32, 32, 36)
METAL: Colour = (118, 120, 122)
LACQUERS: tuple[Colour, ...] = (
    (178, 30, 34),
    (34, 60, 130),
    (206, 208, 210),
    (44, 46, 50),
    (128, 132, 138),
    (190, 176, 150),
    (40, 92, 66),
    (198, 140, 40),
)
"""Colours of vehicles and of the ground floors of houses."""


def shade(colour: Colour, factor: float) -> Colour:
    """Multiply a colour by a factor: above 1 it becomes brighter, below 1 darker."""
    return colour[0] * factor, colour[1] * factor, colour[2] * factor


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """Mix two colours. `share`, from 0 to 1, is the share of `b`."""
    return tuple(p + (q - p) * share for p, q in zip(a, b, strict=True))  # type: ignore[return-value]


def pick(rng: Generator, options: Sequence[Colour], spread: float = 14) -> Colour:
    """Draw one of the colours and vary each channel by normal noise of deviation `spread`."""
    r, g, b = np.asarray(options[int(rng.integers(len(options)))]) + rng.normal(0, spread, 3)
    return float(r), float(g), float(b)
