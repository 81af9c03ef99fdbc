"""Reads photographs and their label maps from image files."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from ...benchmark.interfaces import Float32, Sample, Truth
from ...benchmark.interfaces.errors import BenchError
from .label_values import LabelValues

DECODING_ERRORS = (OSError, SyntaxError, ValueError, struct.error, zlib.error, Image.DecompressionBombError)
"""Everything that Pillow raises for a faulty file."""


def photograph_sample(
    key: str,
    image: Path,
    label: Path,
    label_values: LabelValues,
    group: str | None = None,
    rows: int | None = None,
) -> Callable[[], Sample]:
    """Give a picklable function that makes the sample of a photograph.

    Args:
        key: the key of the sample.
        image: the image file.
        label: the label file.
        label_values: what the values in the label file mean.
        group: the group of the sample.
        rows: the height to which taller images are shrunk; None to keep all sizes.
    """
    return partial(
        Sample,
        key,
        partial(read_image, image, rows),
        partial(read_truth, image, label, label_values, rows),
        group,
    )


def read_image(path: Path, rows: int | None = None) -> Float32:
    """Read a photograph.

    Args:
        path: the image file.
        rows: the height to which a taller image is shrunk by bicubic interpolation; None to keep its size.

    Returns:
        float32 (3, H, W), RGB in [0, 1].

    Raises:
        BenchError: the file is missing, truncated or not an 8-bit image.
    """
    image = _shrunk(_decoded(path, _as_rgb), rows, Image.Resampling.BICUBIC)
    pixels = np.asarray(image, np.float32) / np.float32(255)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def read_truth(image: Path, label: Path, label_values: LabelValues, rows: int | None = None) -> Truth:
    """Read the ground truth of a photograph from its label file.

    Args:
        image: the image file, whose size the label must have.
        label: the label file, an image of one channel.
        label_values: what its values mean.
        rows: the height to which a taller label is shrunk by nearest neighbour; None to keep its size.

    Raises:
        BenchError: the label file is missing or truncated, has another size than its image, or holds a value
            that `label_values` does not allow.
    """
    values = _decoded(label, _as_label)
    size = _decoded(image, _header_only).size
    if values.size != size:
        raise BenchError(
            f"{label}: the label is {values.width} x {values.height} (width x height) but its image {image} "
            f"is {size[0]} x {size[1]}. Resize neither by hand: restore both from the release."
        )
    return label_values.truth(np.asarray(_shrunk(values, rows, Image.Resampling.NEAREST)), label)


def _decoded(path: Path, decode: Callable[[Image.Image], Image.Image | None]) -> Image.Image:
    """Open an image file and decode it; the opened image itself where `decode` gives None."""
    try:
        with Image.open(path) as image:
            return decode(image) or image
    except DECODING_ERRORS as error:
        missing = isinstance(error, FileNotFoundError)
        reason = "no such file" if missing else f"{type(error).__name__}: {error}"
        raise BenchError(
            f"{path}: cannot be read as an image ({reason}). Copy or download it again."
        ) from error


def _header_only(image: Image.Image) -> None:
    """Leave the pixels on disk, since `Image.open` has read the size."""


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        raise ValueError(f"mode {image.mode} is not 8 bits a channel")
    return image.convert("RGB")


def _as_label(image: Image.Image) -> Image.Image:
    if image.mode not in ("L", "P", "I", "I;16"):
        raise ValueError(f"mode {image.mode}: a label map has one channel of class numbers")
    image.load()
    return image.copy()


def _shrunk(image: Image.Image, rows: int | None, resample: Image.Resampling) -> Image.Image:
    """Shrink an image that is taller than `rows` to that height, its aspect ratio kept."""
    if rows is None or image.height <= rows:
        return image
    return image.resize((round(image.width * rows / image.height), rows), resample)
