"""Score maps in the files of the SegmentMeIfYouCan tools (Chan et al., NeurIPS D&B 2021).

The layout is `anomaly_p/METHOD/DATASET/FRAME.hdf5`. A file holds one array `value` (H, W), the score map of
one frame, higher = more anomalous. Their tools write float16. This module writes float32, which adds no
ties, and reads any real numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..interfaces import Float32
from ..interfaces.errors import BenchError, ExtraMissingError

TOP = "anomaly_p"
VALUE = "value"
SUFFIX = ".hdf5"
LAYOUT = f"{TOP}/METHOD/DATASET/FRAME{SUFFIX}, or the folder of one METHOD, or of its DATASET"
COMPRESSION = 4


def require_hdf5() -> Any:
    """The package that reads and writes HDF5.

    Raises:
        ExtraMissingError: the package is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise ExtraMissingError("score maps in HDF5", "smiyc", "h5py") from error
    return h5py


def frame_of(key: str) -> str:
    """The frame of a sample: the sample's key without the split. A slash in it makes a folder."""
    return key.partition("/")[2] or key


def write_map(folder: Path, key: str, score: Float32) -> Path:
    """Write the map of one sample; a file is written as a whole or not at all.

    Args:
        folder: of the method and data set.
        key: of the sample.
        score: float32 (H, W).

    Raises:
        BenchError: the disk is full or cannot be written.
    """
    file = folder / f"{frame_of(key)}{SUFFIX}"
    part = file.with_name(f"{file.name}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with require_hdf5().File(part, "w") as opened:
            opened.create_dataset(VALUE, data=score, compression=COMPRESSION)
        part.replace(file)
    except OSError as error:
        raise BenchError(f"{file} cannot be written: {error}") from error
    return file


def read_map(file: Path, key: str) -> Float32:
    """Read the map of one sample.

    Returns:
        float32 (H, W), or float64 where the file holds more than 32 bits a number. May hold NaN.

    Raises:
        BenchError: the file is no HDF5, has no array `value`, or the array holds no real numbers; names key
            and file.
    """
    try:
        with require_hdf5().File(file, "r") as opened:
            if VALUE not in opened or not hasattr(opened[VALUE], "dtype"):
                held = ", ".join(opened) or "nothing"
                raise BenchError(
                    f"{file}: the map of '{key}' must be an array '{VALUE}'; the file holds {held}"
                )
            stored = np.asarray(opened[VALUE][()])
    except OSError as error:
        raise BenchError(f"{file}: the map of '{key}' cannot be read as HDF5: {error}") from error
    if stored.dtype.kind not in "fiu":
        raise BenchError(f"{file}: the map of '{key}' holds {stored.dtype}, not real numbers")
    # float64 keeps apart what float32 would tie.
    return np.asarray(stored, np.float64 if stored.dtype.itemsize > 4 else np.float32)


@dataclass(frozen=True)
class Maps:
    """The maps of one method on one data set. `files`: key of a sample -> file, in the order of samples."""

    method: str
    files: dict[str, Path]


def find_maps(path: Path, dataset: str, keys: Sequence[str]) -> Maps:
    """Find the map of every sample.

    Args:
        path: the folder above `anomaly_p`, the folder of one method, or the method's folder of the data set.
        dataset: name of the data set.
        keys: of the samples. Each sample needs a map, and each map a sample.

    Raises:
        BenchError: there is no such folder, a sample has no map, or a map no sample; names key and file.
    """
    if not path.is_dir():
        problem = "is a file" if path.exists() else "is missing"
        raise BenchError(f"--scores {path} {problem}: expected a folder {LAYOUT}")
    folder = _frame_folder(path, dataset).absolute()
    unclaimed = {
        file.relative_to(folder).as_posix().removesuffix(SUFFIX): file
        for file in sorted(folder.rglob(f"*{SUFFIX}"))
    }
    if not unclaimed:
        raise BenchError(f"--scores {path}: no {SUFFIX} file in {folder}; expected {LAYOUT}")
    files = {}
    for key in keys:
        file = unclaimed.pop(frame_of(key), None)
        if file is None:
            expected = folder / f"{frame_of(key)}{SUFFIX}"
            raise BenchError(
                f"{expected}: missing, so sample '{key}' of {dataset} has no score map; each sample needs one"
            )
        files[key] = file
    if unclaimed:
        frame, file = next(iter(unclaimed.items()))
        more = f", and {len(unclaimed) - 1} more" if len(unclaimed) > 1 else ""
        raise BenchError(
            f"{file}: the test split of {dataset} has no frame '{frame}'{more}; frames are such as "
            f"'{frame_of(keys[0])}'"
        )
    return Maps(folder.parent.name if folder.name == dataset else folder.name, files)


def _frame_folder(path: Path, dataset: str) -> Path:
    """The folder whose files are frames."""
    top = path / TOP
    if not top.is_dir():
        return path / dataset if (path / dataset).is_dir() else path
    methods = sorted(folder for folder in top.iterdir() if (folder / dataset).is_dir())
    if len(methods) != 1:
        names = ", ".join(folder.name for folder in methods) or "no method"
        raise BenchError(
            f"--scores {path}: {top} holds maps of {names} on {dataset}; name the folder of one method"
        )
    return methods[0] / dataset
