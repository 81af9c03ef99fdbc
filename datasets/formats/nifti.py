"""Reads NIfTI volumes and their labels: axes turned, grid resampled, intensities scaled.

Arrays are (D, H, W): from below to above, from the front to the back, from the patient's right to the left,
so that a slice [d] is seen as radiologists see it.
"""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...benchmark.interfaces import Float32, Sample, Truth
from ...benchmark.interfaces.errors import BenchError, ExtraMissingError
from .images import LabelMap

AXES = ("L", "P", "S")
"""Where the axes of a file point once they are turned; arrays hold them in the opposite order."""
SUFFIX = ".nii.gz"
TOLERANCE = 0.01
"""How far two voxel sizes may differ, relative."""
LARGEST = 2**30
"""Numbers in a volume, as stored or resampled: 1024 x 1024 x 1024 voxels, 4 GiB; a whole-body CT has half."""

Array = npt.NDArray[Any]
Spacing = tuple[float, float, float]


@dataclass(frozen=True)
class Reading:
    """How the volumes of a data set are read.

    Attributes:
        labels: what the values of its label files mean.
        spacing: size of a voxel in mm, (D, H, W); volumes of another are resampled, images linearly, labels
            to the nearest.
        window: Hounsfield units of CT that become 0 and 1, the rest clipped; None for a mean of 0 and a
            deviation of 1 a volume and channel, as for MR.
        channels: of the image.
    """

    labels: LabelMap
    spacing: Spacing
    window: tuple[float, float] | None
    channels: int = 1


class _Grid(NamedTuple):
    """Where the voxels of a file lie. `affine`: (4, 4), from indices to mm."""

    shape: tuple[int, ...]
    affine: npt.NDArray[np.float64]

    @property
    def spacing(self) -> npt.NDArray[np.float64]:
        """(3,) mm, as the axes of the file."""
        lengths: npt.NDArray[np.float64] = np.linalg.norm(self.affine[:3, :3], axis=0)
        return lengths


def volume(key: str, image: Path, label: Path, how: Reading) -> Callable[[], Sample]:
    """A picklable recipe for the sample of a volume with its label."""
    return partial(
        Sample,
        key,
        partial(read_volume, image, how),
        partial(read_segmentation, image, label, how),
        None,
        how.spacing,
    )


def read_volume(path: Path, how: Reading) -> Float32:
    """A volume as float32 (C, D, H, W).

    Raises:
        BenchError: the file is missing, truncated or no volume of numbers, its header contradicts itself or
            asks for more than `LARGEST`, or it has other channels.
    """
    values, grid = _read(path, how)
    channels = values.shape[3] if values.ndim == 4 else 1
    if channels != how.channels:
        raise BenchError(f"{path}: has {channels} channels, but the data set's images have {how.channels}")
    with _naming(path):
        values = values.reshape(*values.shape[:3], channels).astype(np.float32)
        if not np.isfinite(values).all():
            raise BenchError(f"{path}: holds voxels that are no finite number. Restore it from the release.")
        turned = (_turned(values[..., channel], grid) for channel in range(channels))
        scaled = (_scaled(each, how.window) for each in turned)
        return np.stack([_resampled(each, grid, how.spacing, order=1) for each in scaled])


def read_segmentation(image: Path, label: Path, how: Reading) -> Truth:
    """The ground truth in a label file, on the grid of `read_volume`.

    Raises:
        BenchError: the file is missing or truncated, lies on another grid than its image, or holds a value
            that is no label.
    """
    values, grid = _read(label, how)
    _check_same_grid(image, label, grid)
    with _naming(label):
        if values.dtype.kind == "f":
            wrong = values[~np.isfinite(values) | (np.rint(values) != values)]
            if len(wrong):
                raise BenchError(f"{label}: holds {wrong[0]:g}, which is no class number")
            values = values.astype(np.int64)
        # As stored: of a few wrong voxels, resampling may keep none.
        how.labels.check(values, label)
        small = _resampled(_turned(values.reshape(values.shape[:3]), grid), grid, how.spacing, order=0)
        return how.labels.truth(small, label)


def _read(path: Path, how: Reading) -> tuple[Array, _Grid]:
    """The voxels of a file, 3 or 4 axes as stored, and where they lie."""
    with _naming(path) as nibabel:
        # Unpacked whole: only then is the checksum at its end compared.
        content = nibabel.Nifti1Image.from_bytes(gzip.decompress(path.read_bytes()))
        grid = _grid(content)
        _check_grid(path, grid, content.header.get_zooms(), how.spacing)
        values = np.asanyarray(content.dataobj)
    if values.dtype.kind not in "buif":
        raise BenchError(f"{path}: its voxels are {values.dtype}, not numbers")
    return values, grid


@contextmanager
def _naming(path: Path) -> Iterator[ModuleType]:
    """Gives nibabel; whatever it raises for a faulty file becomes an error that names the file."""
    try:
        import nibabel
    except ImportError as error:
        raise ExtraMissingError("reading volumes", "medical", "nibabel") from error
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError
    from nibabel.wrapstruct import WrapStructError

    faults = (OSError, EOFError, zlib.error, ValueError, OverflowError)
    try:
        yield nibabel
    except MemoryError as error:
        raise BenchError(
            f"{path}: this machine's memory does not hold the volume ({error}). Resample it with its label "
            "to larger voxels, or use a machine with more."
        ) from error
    except (*faults, ImageFileError, HeaderDataError, WrapStructError) as error:
        missing = isinstance(error, FileNotFoundError)
        reason = "no such file" if missing else f"{type(error).__name__}: {error}"
        raise BenchError(
            f"{path}: cannot be read as a NIfTI volume ({reason}). Copy or download it again."
        ) from error


def _grid(content: Any) -> _Grid:
    return _Grid(tuple(content.shape), np.asarray(content.affine, np.float64))


def _check_grid(path: Path, grid: _Grid, zooms: tuple[float, ...], spacing: Spacing) -> None:
    """Raise where the header does not say where the voxels lie, says two things, or is of too large a volume.

    Args:
        zooms: the voxel size by the header, mm.
        spacing: (D, H, W) mm, what the volume is to be resampled to.
    """
    problem = None
    if len(grid.shape) not in (3, 4) or min(grid.shape) < 1:
        problem = f"its shape is {grid.shape}, not that of a volume"
    elif not np.isfinite(grid.affine).all() or not abs(np.linalg.det(grid.affine[:3, :3])) > 0:
        problem = "its affine does not place voxels in space"
    elif not np.allclose(grid.spacing, zooms[:3], rtol=TOLERANCE):
        one, other = (" x ".join(f"{size:.3g}" for size in sizes) for sizes in (zooms[:3], grid.spacing))
        problem = f"its voxels are {one} mm by pixdim and {other} mm by its affine"
    elif math.prod(grid.shape) > LARGEST:
        problem = f"its shape is {grid.shape}, beyond the {LARGEST:,} numbers that are read"
    elif math.prod((*_size(grid, spacing), *grid.shape[3:])) > LARGEST:
        have, wanted = (" x ".join(f"{size:.3g}" for size in sizes) for sizes in (zooms[:3], spacing[::-1]))
        problem = (
            f"{grid.shape} voxels of {have} mm, resampled to {wanted} mm, are beyond the {LARGEST:,} "
            "numbers that are read; are the sizes micrometres?"
        )
    if problem is not None:
        raise BenchError(f"{path}: wrong header: {problem}. Restore it from the release.")


def _check_same_grid(image: Path, label: Path, grid: _Grid) -> None:
    """Raise where a label does not lie on its image, to half a voxel at the corners."""
    with _naming(image) as nibabel:
        other = _grid(nibabel.load(image))
    shape = other.shape[:3]
    mend = "Resample neither by hand: restore both from the release."
    if (*shape, 1)[: len(grid.shape)] != grid.shape:
        raise BenchError(f"{label}: the label is {grid.shape}, but its image {image} is {shape}. {mend}")
    corners = np.array([(*np.multiply(corner, np.subtract(shape, 1)), 1) for corner in np.ndindex(2, 2, 2)])
    apart = np.linalg.norm((corners @ (grid.affine - other.affine).T)[:, :3], axis=1).max()
    if not apart <= grid.spacing.min() / 2:
        raise BenchError(
            f"{label}: wrong header: its voxels lie up to {apart:.3g} mm from those of {image}. {mend}"
        )


def _turned(values: Array, grid: _Grid) -> Array:
    """The axes of a file (X, Y, Z) to (D, H, W)."""
    from nibabel import orientations

    have, wanted = orientations.io_orientation(grid.affine), orientations.axcodes2ornt(AXES)
    turned: Array = orientations.apply_orientation(values, orientations.ornt_transform(have, wanted))
    return turned.transpose(2, 1, 0)


def _scaled(values: Float32, window: tuple[float, float] | None) -> Float32:
    if window is not None:
        low, high = window
        scaled = (np.clip(values, low, high) - low) / (high - low)
        return np.asarray(scaled, np.float32)
    mean, deviation = values.mean(dtype=np.float64), values.std(dtype=np.float64)
    return np.asarray((values - mean) / (deviation if deviation > 0 else 1.0), np.float32)


def _size(grid: _Grid, spacing: Spacing) -> tuple[int, ...]:
    """(D, H, W), how many voxels of `spacing` come nearest to what the grid covers."""
    from nibabel import orientations

    axes = orientations.io_orientation(grid.affine)[:, 0].argsort()[::-1]
    lengths = np.array(grid.shape[:3])[axes] * grid.spacing[axes]
    return tuple(max(1, round(length / new)) for length, new in zip(lengths, spacing, strict=True))


def _resampled(values: Array, grid: _Grid, spacing: Spacing, order: int) -> Array:
    """On voxels of `spacing`, or as near as a whole number of them comes; (D, H, W)."""
    from scipy import ndimage

    size = _size(grid, spacing)
    if size == values.shape:
        return np.ascontiguousarray(values)
    # Voxels are cells, not points: `grid_mode` keeps the outer faces where they are.
    resampled: Array = ndimage.zoom(
        values, np.divide(size, values.shape), order=order, mode="nearest", grid_mode=True
    )
    return resampled
