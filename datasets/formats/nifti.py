"""Reads NIfTI volumes and their labels: axes turned, grid resampled, intensities scaled.

Arrays are (D, H, W). D runs from below to above, H from the front to the back and W from the patient's right
to the left, so that a slice [d] is seen as radiologists see it.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np

from ...benchmark.interfaces import Float32, Sample, Truth
from ...benchmark.interfaces.errors import BenchError, ExtraMissingError
from .label_values import LabelValues
from .voxel_grid import Array, Grid, Spacing, check_grid, check_same_place, resampled, turned

SUFFIX = ".nii.gz"


@dataclass(frozen=True)
class Reading:
    """How the volumes of a data set are read.

    Attributes:
        labels: what the values in its label files mean.
        spacing: the voxel size that volumes are resampled to: images linearly, labels by nearest neighbour.
        window: the Hounsfield units of a CT that become 0 and 1; values beyond are clipped. With None, as for
            MR, every channel of a volume is brought to mean 0 and deviation 1.
        channels: the number of channels of an image.
    """

    labels: LabelValues
    spacing: Spacing
    window: tuple[float, float] | None
    channels: int = 1


def volume_sample(key: str, image: Path, label: Path, reading: Reading) -> Callable[[], Sample]:
    """Give a picklable function that makes the sample of a volume."""
    return partial(
        Sample,
        key,
        partial(read_volume, image, reading),
        partial(read_segmentation, image, label, reading),
        None,
        reading.spacing,
    )


def read_volume(path: Path, reading: Reading) -> Float32:
    """Read a volume as float32 (C, D, H, W).

    Raises:
        BenchError: the file is missing, truncated or no volume of numbers; its header contradicts itself or
            describes more than `voxel_grid.LARGEST` numbers; or it has another number of channels.
    """
    values, grid = _read(path, reading)
    channels = values.shape[3] if values.ndim == 4 else 1
    if channels != reading.channels:
        raise BenchError(
            f"{path}: has {channels} channels, but the data set's images have {reading.channels}. "
            "Restore it from the release."
        )
    with _nibabel_for(path):
        values = values.reshape(*values.shape[:3], channels).astype(np.float32)
        if not np.isfinite(values).all():
            raise BenchError(f"{path}: holds voxels that are no finite number. Restore it from the release.")
        scaled = (_scaled(turned(values[..., c], grid), reading.window) for c in range(channels))
        return np.stack([resampled(channel, grid, reading.spacing, order=1) for channel in scaled])


def read_segmentation(image: Path, label: Path, reading: Reading) -> Truth:
    """Read the ground truth of a volume from its label file, on the grid of `read_volume`.

    Raises:
        BenchError: the file is missing or truncated, lies elsewhere than its image, or holds a value that is
            no label.
    """
    values, grid = _read(label, reading)
    with _nibabel_for(image) as nibabel:
        image_grid = Grid.of(nibabel.load(image))
    check_same_place(image, image_grid, label, grid)
    with _nibabel_for(label):
        if values.dtype.kind == "f":
            wrong = values[~np.isfinite(values) | (np.rint(values) != values)]
            if len(wrong):
                raise BenchError(
                    f"{label}: holds {wrong[0]:g}, which is no class number. Restore it from the release."
                )
            values = values.astype(np.int64)
        # The stored values are checked, since resampling may drop a few wrong voxels.
        reading.labels.check(values, label)
        small = resampled(turned(values.reshape(values.shape[:3]), grid), grid, reading.spacing, order=0)
        return reading.labels.truth(small, label)


def _read(path: Path, reading: Reading) -> tuple[Array, Grid]:
    """Read the stored voxels of a file, (X, Y, Z) or (X, Y, Z, C), and where they lie."""
    with _nibabel_for(path) as nibabel:
        # The file is unpacked as a whole, since only then is the checksum at its end compared.
        content = nibabel.Nifti1Image.from_bytes(gzip.decompress(path.read_bytes()))
        grid = Grid.of(content)
        check_grid(path, grid, content.header.get_zooms(), reading.spacing)
        values = np.asanyarray(content.dataobj)
    if values.dtype.kind not in "buif":
        raise BenchError(f"{path}: its voxels are {values.dtype}, not numbers. Restore it from the release.")
    return values, grid


@contextmanager
def _nibabel_for(path: Path) -> Iterator[ModuleType]:
    """Give nibabel for work on a file, and turn what it raises into errors that name the file."""
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
            "to larger voxels, or use a machine with more memory."
        ) from error
    except (*faults, ImageFileError, HeaderDataError, WrapStructError) as error:
        missing = isinstance(error, FileNotFoundError)
        reason = "no such file" if missing else f"{type(error).__name__}: {error}"
        raise BenchError(
            f"{path}: cannot be read as a NIfTI volume ({reason}). Copy or download it again."
        ) from error


def _scaled(values: Float32, window: tuple[float, float] | None) -> Float32:
    """Scale the intensities of one channel, see `Reading.window`."""
    if window is not None:
        low, high = window
        scaled = (np.clip(values, low, high) - low) / (high - low)
        return np.asarray(scaled, np.float32)
    mean, deviation = values.mean(dtype=np.float64), values.std(dtype=np.float64)
    return np.asarray((values - mean) / (deviation if deviation > 0 else 1.0), np.float32)
