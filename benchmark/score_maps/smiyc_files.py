"""Score maps on disk, in the layout of the SegmentMeIfYouCan tools (Chan et al., NeurIPS D&B 2021).

`anomaly_p/METHOD/DATASET/FRAME.hdf5`, a file a frame, each with one array `value` (H, W), higher = more
anomalous. Their tools write float16; float32 is read as well and makes no ties.
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


def hdf5() -> Any:
    """The package that reads and writes HDF5.

    Raises:
        ExtraMissingError: it is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise ExtraMissingError("score maps in HDF5", "smiyc", "h5py") from error
    return h5py


def frame_of(key: str) -> str:
    """The frame of a sample: its key without the split. It may hold slashes, which make folders."""
    return key.partition("/")[2] or key


def write_map(folder: Path, key: str, score: Float32) -> Path:
    """Write one map, whole or not at all.

    Args:
        folder: of the method and data set.

    Raises:
        BenchError: the disk is full or cannot be written.
    """
    file = folder / f"{frame_of(key)}{SUFFIX}"
    part = file.with_name(f"{file.name}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with hdf5().File(part, "w") as opened:
            opened.create_dataset(VALUE, data=score, compression=COMPRESSION)
        part.replace(file)
    except OSError as error:
        raise BenchError(f"{file} cannot be written: {error}") from error
    return file


def read_map(file: Path, key: str) -> Float32:
    """Read one map.

    Returns:
        float32, or float64 as stored, (H, W); NaN is not looked for.

    Raises:
        BenchError: it is no HDF5, has no array `value`, or that holds no real numbers; names key and file.
    """
    try:
        with hdf5().File(file, "r") as opened:
            if VALUE not in opened or not hasattr(opened[VALUE], "dtype"):
                held = ", ".join(opened) or "nothing"
                raise BenchError(
                    f"{file}: the map of '{key}' must be an array '{VALUE}'; the file holds {held}"
                )
            found = np.asarray(opened[VALUE][()])
    except OSError as error:
        raise BenchError(f"{file}: the map of '{key}' cannot be read as HDF5: {error}") from error
    if found.dtype.kind not in "fiu":
        raise BenchError(f"{file}: the map of '{key}' holds {found.dtype}, not real numbers")
    # float64 keeps apart what float32 would tie.
    return np.asarray(found, np.float64 if found.dtype.itemsize > 4 else np.float32)


@dataclass(frozen=True)
class Maps:
    """The maps of one method on one data set. `files`: sample key -> file, in the samples' order."""

    method: str
    files: dict[str, Path]


def find_maps(path: Path, dataset: str, keys: Sequence[str]) -> Maps:
    """The map of every sample.

    Args:
        path: of the layout's top, of one method, or of its data set.
        keys: of the samples; each needs a map, and no map may be of another.

    Raises:
        BenchError: there is no such folder, a sample has no map, or a map no sample; names key and file.
    """
    if not path.is_dir():
        what = "is a file" if path.exists() else "is missing"
        raise BenchError(f"--scores {path} {what}: expected a folder {LAYOUT}")
    folder = _folder(path, dataset).absolute()
    found = {file.relative_to(folder).as_posix().removesuffix(SUFFIX): file for file in _files(folder)}
    if not found:
        raise BenchError(f"--scores {path}: no {SUFFIX} file in {folder}; expected {LAYOUT}")
    files = {}
    for key in keys:
        file = found.pop(frame_of(key), None)
        if file is None:
            expected = folder / f"{frame_of(key)}{SUFFIX}"
            raise BenchError(
                f"{expected}: missing, so sample '{key}' of {dataset} has no score map: each needs one"
            )
        files[key] = file
    if found:
        frame, file = next(iter(found.items()))
        more = f", and {len(found) - 1} more" if len(found) > 1 else ""
        raise BenchError(
            f"{file}: the test split of {dataset} has no frame '{frame}'{more}; frames are such as "
            f"'{frame_of(keys[0])}'"
        )
    return Maps(folder.parent.name if folder.name == dataset else folder.name, files)


def _folder(path: Path, dataset: str) -> Path:
    """The folder whose files are frames."""
    top = path / TOP
    if not top.is_dir():
        return path / dataset if (path / dataset).is_dir() else path
    held = sorted(each for each in top.iterdir() if (each / dataset).is_dir())
    if len(held) != 1:
        names = ", ".join(each.name for each in held) or "no method"
        raise BenchError(
            f"--scores {path}: {top} holds maps of {names} on {dataset}; name the folder of one method"
        )
    return held[0] / dataset


def _files(folder: Path) -> list[Path]:
    return sorted(folder.rglob(f"*{SUFFIX}"))
