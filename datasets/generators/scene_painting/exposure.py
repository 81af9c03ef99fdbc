"""The photograph of a painted scene: texture, light, blur, exposure and noise, at the final size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.random import Generator
from PIL import Image

from .canvas import OVERSAMPLING, Bytes, Kind
from .street import Street


@dataclass(frozen=True)
class Scene:
    """A generated frame.

    Attributes:
        image: uint8 (H, W, 3), RGB.
        kinds: uint8 (H, W), values of `Kind`.
    """

    image: Bytes
    kinds: Bytes


def photograph(street: Street) -> Scene:
    """Take the photograph of a street whose canvas is painted."""
    rng, canvas = street.rng, street.canvas
    kinds = np.asarray(canvas.kinds)
    pixels = np.asarray(canvas.colour, np.float32)
    coarse, fine = smooth_noise(rng, kinds.shape, 24), rng.standard_normal(kinds.shape, np.float32)
    texture = 1 + _COARSE_TEXTURE[kinds] * coarse + _FINE_TEXTURE[kinds] * fine
    light = np.asarray(canvas.light.resize(canvas.light.size, Image.Resampling.BICUBIC), np.float32) / 255
    pixels = pixels * (texture * light)[..., None]
    rows, columns = kinds.shape[0] // OVERSAMPLING, kinds.shape[1] // OVERSAMPLING
    pixels = pixels.reshape(rows, OVERSAMPLING, columns, OVERSAMPLING, 3).mean((1, 3))
    gain = rng.uniform(0.5, 0.72) if street.dusk else rng.uniform(0.85, 1.12)
    tint = gain * np.asarray(street.town.tint, np.float32)
    pixels = pixels * (tint * rng.uniform(0.96, 1.04, 3).astype(np.float32))
    pixels = pixels + rng.standard_normal(pixels.shape, np.float32) * np.float32(rng.uniform(2, 8))
    half = OVERSAMPLING // 2
    return Scene(
        pixels.clip(0, 255).round().astype(np.uint8), kinds[half::OVERSAMPLING, half::OVERSAMPLING].copy()
    )


def smooth_noise(rng: Generator, size: tuple[int, ...], knots: int) -> npt.NDArray[np.float32]:
    """Draw smooth noise, float32 (*size), that has unit variance at its `knots` x `2 knots` knots."""
    values = rng.standard_normal((knots, knots * 2), np.float32)
    field = Image.fromarray(values).resize((size[1], size[0]), Image.Resampling.BICUBIC)
    return np.asarray(field, np.float32)


def _amplitudes(**values: float) -> npt.NDArray[np.float32]:
    """The deviation of the texture of each kind, float32 (number of kinds,); 0.02 where none is named."""
    table = np.full(len(Kind), 0.02, np.float32)
    for name, value in values.items():
        table[Kind[name]] = value
    return table


_COARSE_TEXTURE = _amplitudes(
    VEGETATION=0.16, TERRAIN=0.1, ROAD=0.05, SIDEWALK=0.06, BUILDING=0.05, WALL=0.08, SKY=0.0
)
_FINE_TEXTURE = _amplitudes(
    VEGETATION=0.28, TERRAIN=0.16, ROAD=0.08, SIDEWALK=0.09, BUILDING=0.05, WALL=0.11, SKY=0.004, FENCE=0.1
)
