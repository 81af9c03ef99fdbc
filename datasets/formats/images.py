"""Reads images and label maps from disk, and pairs them: what the photograph data sets share."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt
from PIL import Image

from ...benchmark.interfaces import VOID, Float32, Labels, Mask, Sample, Truth
from ...benchmark.interfaces.errors import BenchError

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg"})
DECODING_ERRORS = (OSError, SyntaxError, ValueError, struct.error, zlib.error, Image.DecompressionBombError)


def natural_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key by which numbers inside names compare by value: `t2` before `t10`.

    >>> sorted(["b", "a10", "a9"], key=natural_key)
    ['a9', 'a10', 'b']
    """
    parts = re.split(r"([0-9]+)", text)
    # The text itself comes last: `a1` and `a01` are equal up to there and still have one order.
    return (*((0, int(p), "") if p.isdigit() else (1, 0, p) for p in parts if p), (2, 0, text))


@dataclass(frozen=True)
class LabelMap:
    """What the values of a label PNG mean.

    Attributes:
        classes: value -> class 0..L-1.
        void: values that are neither trained on nor scored.
        anomaly: values of anomalous pixels; their class is `VOID`, so that no failure metric counts them.
        marks_anomalies: whether `Truth.anomaly` is a mask, or None.
    """

    classes: Mapping[int, int]
    void: frozenset[int] = frozenset()
    anomaly: frozenset[int] = frozenset()
    marks_anomalies: bool = False

    @property
    def allowed(self) -> list[int]:
        """Every value that a PNG may hold, ascending."""
        return sorted({*self.classes, *self.void, *self.anomaly})

    def check(self, values: npt.NDArray[np.integer[Any]], path: Path) -> None:
        """Raise a BenchError where the file at `path` holds a value that is not allowed."""
        allowed = self.allowed
        size = allowed[-1] + 1
        known = np.zeros(size, bool)
        known[allowed] = True
        inside = (values >= 0) & (values < size)
        good = inside & known[np.where(inside, values, 0)]
        if not good.all():
            bad = np.unique(values[~good]).tolist()
            raise BenchError(
                f"{path}: label value {', '.join(map(str, bad[:5]))} is not one of the data set's values "
                f"{_ranges(allowed)}. Is it another label format, or a colour-coded map?"
            )

    def truth(self, values: npt.NDArray[np.integer[Any]], path: Path) -> Truth:
        """Translate the values of the label PNG at `path`.

        Raises:
            BenchError: a value that is not allowed.
        """
        self.check(values, path)
        to_class = np.full(self.allowed[-1] + 1, VOID, np.int64)
        to_class[list(self.classes)] = list(self.classes.values())
        label: Labels = to_class[values]
        anomaly: Mask | None = np.isin(values, list(self.anomaly)) if self.marks_anomalies else None
        valid: Mask = ~np.isin(values, list(self.void))
        return Truth(label, anomaly, valid)


def _ranges(values: Sequence[int]) -> str:
    """`[0, 1, 2, 5]` as "0-2, 5"."""
    runs: list[list[int]] = []
    for value in values:
        if runs and value == runs[-1][1] + 1:
            runs[-1][1] = value
        else:
            runs.append([value, value])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def _decoded(path: Path, decode: Callable[[Image.Image], Image.Image | None]) -> Image.Image:
    try:
        with Image.open(path) as image:
            return decode(image) or image
    except DECODING_ERRORS as error:
        reason = (
            "no such file" if isinstance(error, FileNotFoundError) else f"{type(error).__name__}: {error}"
        )
        raise BenchError(
            f"{path}: cannot be read as an image ({reason}). Copy or download it again."
        ) from error


def _header_only(image: Image.Image) -> None:
    """Leave the pixels on disk: `Image.open` has read the size."""


def _photograph(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        raise ValueError(f"mode {image.mode} is not 8 bits a channel")
    return image.convert("RGB")


def _label(image: Image.Image) -> Image.Image:
    if image.mode not in ("L", "P", "I", "I;16"):
        raise ValueError(f"mode {image.mode}: a label map has one channel of class numbers")
    image.load()
    return image.copy()


def _shrunk(image: Image.Image, rows: int | None, resample: Image.Resampling) -> Image.Image:
    """Scaled to `rows` rows, aspect kept; as it is when it has no more."""
    if rows is None or image.height <= rows:
        return image
    return image.resize((round(image.width * rows / image.height), rows), resample)


def read_image(path: Path, rows: int | None = None) -> Float32:
    """A photograph as float32 (3, H, W), RGB in [0, 1]; bicubically shrunk where taller than `rows`.

    Raises:
        BenchError: the file is missing, truncated or not an 8-bit image.
    """
    image = _shrunk(_decoded(path, _photograph), rows, Image.Resampling.BICUBIC)
    pixels = np.asarray(image, np.float32) / np.float32(255)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def read_truth(image: Path, label: Path, label_map: LabelMap, rows: int | None = None) -> Truth:
    """The ground truth in a label PNG, by nearest neighbour shrunk where taller than `rows`.

    Raises:
        BenchError: the file is missing or truncated, of another size than its image, or holds a value
            that `label_map` lacks.
    """
    values = _decoded(label, _label)
    size = _decoded(image, _header_only).size
    if values.size != size:
        raise BenchError(
            f"{label}: the label is {values.width} x {values.height} (width x height) but its image {image} "
            f"is {size[0]} x {size[1]}. Resize neither by hand: restore both from the release."
        )
    return label_map.truth(np.asarray(_shrunk(values, rows, Image.Resampling.NEAREST)), label)


def list_stems(folder: Path, suffix: str, layout: str) -> dict[str, Path]:
    """The files below `folder` that end in `suffix`, path without `suffix` -> file, in natural order.

    `suffix` "" stands for any image. Hidden files are left out.

    Raises:
        BenchError: the folder is missing.
    """
    if not folder.is_dir():
        raise BenchError(f"{folder}: no such folder. Expected layout:\n{layout}")
    found: dict[str, Path] = {}
    for path in folder.rglob(f"*{suffix}" if suffix else "*"):
        name = path.relative_to(folder).as_posix()
        if path.name.startswith(".") or (not suffix and path.suffix.lower() not in IMAGE_SUFFIXES):
            continue
        stem = name.removesuffix(suffix or path.suffix)
        if stem in found:
            raise BenchError(f"{path} and {found[stem].name}: two files for one frame. Remove one.")
        found[stem] = path
    return dict(sorted(found.items(), key=lambda item: natural_key(item[0])))


def pair(images: Mapping[str, Path], labels: Mapping[str, Path], folders: tuple[Path, Path]) -> None:
    """Check that every image has a label, every label an image, and that there are any.

    Args:
        images: frame -> image file.
        labels: frame -> label file.
        folders: where images and labels were looked for.

    Raises:
        BenchError: naming the first file without its partner.
    """
    for have, lack, what, where in ((images, labels, "label", 1), (labels, images, "image", 0)):
        lonely = [path for name, path in have.items() if name not in lack]
        if lonely:
            more = f" (and {len(lonely) - 1} more)" if len(lonely) > 1 else ""
            raise BenchError(
                f"{lonely[0]}: has no {what} below {folders[where]}{more}. Restore the {what} or "
                "remove this file."
            )
    if not images:
        raise BenchError(f"{folders[0]}: holds no images. Extract the data set again.")


def photograph(
    key: str, image: Path, label: Path, label_map: LabelMap, group: str | None = None, rows: int | None = None
) -> Callable[[], Sample]:
    """A picklable recipe for the sample of an image with its label map."""
    return partial(
        Sample,
        key,
        partial(read_image, image, rows),
        partial(read_truth, image, label, label_map, rows),
        group,
    )


class Samples(Sequence[Sample]):
    """Samples made when indexed, fresh each time, so that none keeps its pixels alive."""

    def __init__(self, recipes: Iterable[Callable[[], Sample]] = ()) -> None:
        self._recipes = tuple(recipes)

    def __len__(self) -> int:
        return len(self._recipes)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> Samples: ...
    def __getitem__(self, index: int | slice) -> Sample | Samples:
        if isinstance(index, slice):
            return Samples(self._recipes[index])
        return self._recipes[index]()
