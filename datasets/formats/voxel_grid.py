"""Where the voxels of a NIfTI file lie, and how they are turned and resampled to the grid of a data set."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...benchmark.interfaces.errors import BenchError

AXES = ("L", "P", "S")
"""The directions of a file's axes once turned: left, posterior, superior. Arrays hold them in reverse."""
TOLERANCE = 0.01
"""The largest relative difference between two voxel sizes that count as equal."""
LARGEST = 2**30
"""The most numbers in a volume, stored or resampled.

They are 1024 x 1024 x 1024 voxels and 4 GiB; a whole-body CT has half of them.
"""
RESTORE_BOTH = "Resample neither by hand: restore both from the release."

Array = npt.NDArray[Any]
Spacing = tuple[float, float, float]
"""The size of a voxel (D, H, W) in millimetres."""


class Grid(NamedTuple):
    """Where the voxels of a file lie.

    Attributes:
        shape: the shape of the stored array: (X, Y, Z), with several channels (X, Y, Z, C).
        affine: float64 (4, 4), from voxel indices to millimetres.
    """

    shape: tuple[int, ...]
    affine: npt.NDArray[np.float64]

    @classmethod
    def of(cls, content: Any) -> Grid:
        """Read the grid of an image of nibabel."""
        return cls(tuple(content.shape), np.asarray(content.affine, np.float64))

    @property
    def spacing(self) -> npt.NDArray[np.float64]:
        """The size of a voxel in millimetres along the file's axes, float64 (3,)."""
        lengths: npt.NDArray[np.float64] = np.linalg.norm(self.affine[:3, :3], axis=0)
        return lengths


def check_grid(path: Path, grid: Grid, pixdim: tuple[float, ...], spacing: Spacing) -> None:
    """Check the header of a file.

    Args:
        path: the file, for the error message.
        grid: the grid by the header's shape and affine.
        pixdim: the voxel size in millimetres by the header's field of this name.
        spacing: the voxel size that the volume will be resampled to.

    Raises:
        BenchError: the header does not say where the voxels lie, contradicts itself, or describes a volume of
            more than `LARGEST` numbers.
    """
    problem = None
    if len(grid.shape) not in (3, 4) or min(grid.shape) < 1:
        problem = f"its shape is {grid.shape}, not that of a volume"
    elif not np.isfinite(grid.affine).all() or not abs(np.linalg.det(grid.affine[:3, :3])) > 0:
        problem = "its affine does not place voxels in space"
    elif not np.allclose(grid.spacing, pixdim[:3], rtol=TOLERANCE):
        by_pixdim, by_affine = (_millimetres(sizes) for sizes in (pixdim[:3], grid.spacing))
        problem = f"its voxels are {by_pixdim} mm by pixdim and {by_affine} mm by its affine"
    elif math.prod(grid.shape) > LARGEST:
        problem = f"its shape is {grid.shape}, beyond the {LARGEST:,} numbers that are read"
    elif math.prod((*_resampled_size(grid, spacing), *grid.shape[3:])) > LARGEST:
        stored, resampled = (_millimetres(sizes) for sizes in (pixdim[:3], spacing[::-1]))
        problem = (
            f"{grid.shape} voxels of {stored} mm, resampled to {resampled} mm, are beyond the {LARGEST:,} "
            "numbers that are read; are the sizes micrometres?"
        )
    if problem is not None:
        raise BenchError(f"{path}: wrong header: {problem}. Restore it from the release.")


def _millimetres(sizes: Any) -> str:
    return " x ".join(f"{size:.3g}" for size in sizes)


def check_same_place(image: Path, image_grid: Grid, label: Path, label_grid: Grid) -> None:
    """Check that a label lies on its image, to half a voxel at the corners.

    Raises:
        BenchError: naming both files.
    """
    shape = image_grid.shape[:3]
    if (*shape, 1)[: len(label_grid.shape)] != label_grid.shape:
        raise BenchError(
            f"{label}: the label is {label_grid.shape}, but its image {image} is {shape}. {RESTORE_BOTH}"
        )
    corners = np.array([(*np.multiply(corner, np.subtract(shape, 1)), 1) for corner in np.ndindex(2, 2, 2)])
    shifts = (corners @ (label_grid.affine - image_grid.affine).T)[:, :3]
    largest = np.linalg.norm(shifts, axis=1).max()
    if not largest <= label_grid.spacing.min() / 2:
        raise BenchError(
            f"{label}: wrong header: its voxels lie up to {largest:.3g} mm from those of {image}. "
            f"{RESTORE_BOTH}"
        )


def turned(values: Array, grid: Grid) -> Array:
    """Turn an array from the axes of its file, (X, Y, Z), to (D, H, W)."""
    from nibabel import orientations

    stored, target = orientations.io_orientation(grid.affine), orientations.axcodes2ornt(AXES)
    oriented: Array = orientations.apply_orientation(values, orientations.ornt_transform(stored, target))
    return oriented.transpose(2, 1, 0)


def _resampled_size(grid: Grid, spacing: Spacing) -> tuple[int, ...]:
    """The numbers of voxels (D, H, W) of size `spacing` that come nearest to the extent of the grid."""
    from nibabel import orientations

    axes = orientations.io_orientation(grid.affine)[:, 0].argsort()[::-1]
    lengths = np.array(grid.shape[:3])[axes] * grid.spacing[axes]
    return tuple(max(1, round(length / new)) for length, new in zip(lengths, spacing, strict=True))


def resampled(values: Array, grid: Grid, spacing: Spacing, order: int) -> Array:
    """Resample an array to voxels of a size, or as near to it as a whole number of voxels comes.

    Args:
        values: (D, H, W), turned.
        grid: the grid of its file.
        spacing: the voxel size to resample to.
        order: the order of the spline: 0 for nearest neighbour, 1 for linear.
    """
    from scipy import ndimage

    size = _resampled_size(grid, spacing)
    if size == values.shape:
        return np.ascontiguousarray(values)
    # Voxels are cells, not points: `grid_mode` keeps the outer faces where they are.
    zoomed: Array = ndimage.zoom(
        values, np.divide(size, values.shape), order=order, mode="nearest", grid_mode=True
    )
    return zoomed
