"""Data sets and their samples. `*spatial` is (H, W) or (D, H, W), `L` the number of classes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from .settings import Preset, Task

Float32 = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

VOID = 255
"""The label of pixels that are neither trained on nor scored."""


@dataclass(frozen=True)
class Truth:
    """The ground truth of a sample.

    Attributes:
        label: int64 (*spatial), 0..L-1 or `VOID`.
        anomaly: bool (*spatial), true on anomalous pixels; None where the data set has none.
        valid: bool (*spatial), false where nothing is scored.
    """

    label: Labels
    anomaly: Mask | None
    valid: Mask

    @property
    def scored(self) -> Labels:
        """The label, void where nothing is scored."""
        return self.label if self.valid.all() else np.where(self.valid, self.label, VOID)


class Sample:
    """One image with its ground truth, read from disk when first touched.

    Args:
        key: unique in its data set, stable over machines.
        read_image: gives float32 (C, *spatial), RGB in [0, 1] for photographs. Picklable.
        read_truth: gives the `Truth`. Picklable.
        group: what belongs together (a town, a patient).
        spacing: size of a voxel in millimetres, a number an axis; None for photographs.
    """

    def __init__(
        self,
        key: str,
        read_image: Callable[[], Float32],
        read_truth: Callable[[], Truth],
        group: str | None = None,
        spacing: tuple[float, ...] | None = None,
    ) -> None:
        self.key = key
        self.group = group
        self.spacing = spacing
        self._read_image = read_image
        self._read_truth = read_truth

    @cached_property
    def image(self) -> Float32:
        """float32 (C, *spatial)."""
        return self._read_image()

    @cached_property
    def truth(self) -> Truth:
        """Label, anomaly and valid masks."""
        return self._read_truth()

    @property
    def view(self) -> View:
        """What a method may see of a test sample: no label, no mask."""
        return View(self.key, self.image, self.group, self.spacing)


@dataclass(frozen=True)
class View:
    """The part of a test sample that a method may see. `image`: float32 (C, *spatial)."""

    key: str
    image: Float32
    group: str | None = None
    spacing: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Archive:
    """A file that `bench data NAME --fetch` downloads. Digests and `size` (bytes) where published."""

    url: str
    folder: str = "."
    size: int | None = None
    sha256: str | None = None
    md5: str | None = None


@dataclass(frozen=True)
class DatasetInfo:
    """The facts of a data set.

    Attributes:
        classes: in volumes the first is the background, which is no structure.
        splits: number of images of the release, a split.
        folders: names the data set's folder usually has below a data root.
        layout: the expected files, for people.
        archives: what `--fetch` downloads; empty where a login is needed (`source` says how).
    """

    name: str
    summary: str
    revision: str
    tasks: tuple[Task, ...]
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    splits: Mapping[str, int]
    licence: str
    citation: str
    source: str
    layout: str
    folders: tuple[str, ...] = ()
    archives: tuple[Archive, ...] = ()
    ndim: int = 2
    channels: int = 3
    default_preset: Preset = Preset.FULL
    segmenters: tuple[str, ...] = ("lite0",)
    """Those of the experiment; the first is the default."""
    light: tuple[str, ...] = ("lite0", "segformer")
    """In their place at the presets `small` and `smoke`: networks that train on two CPU cores."""
    default_tasks: tuple[Task, ...] = ()
    """The tasks of a run that names the data set and no task: the published experiment's. Empty: all."""
    scored: tuple[str, ...] = ()
    """The classes whose quality counts for image-level failures. Empty: all of `classes`."""


class Dataset(ABC):
    """A data set on disk. The constructor only stores.

    Args:
        root: the data set's own folder.
    """

    info: ClassVar[DatasetInfo]
    marker: ClassVar[str | None] = None
    """A path or glob pattern of what every tree of it holds; tells its folder from others and one above."""
    generated: ClassVar[bool] = False
    """Whether `prepare` makes the data, so that no folder need be given."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    @abstractmethod
    def prepare(self) -> None:
        """Check that the tree is present and well-formed (generated data sets: make it).

        Raises:
            BenchError: naming the missing or malformed file and the expected layout.
        """

    @abstractmethod
    def samples(self, split: str) -> Sequence[Sample]:
        """The samples of `train`, `validation` or `test` in natural order; loads no pixels.

        Indexing gives a fresh, untouched `Sample` each time. A split that the data set lacks is empty.
        """

    @classmethod
    @abstractmethod
    def toy(cls, folder: Path) -> Dataset:
        """Itself in miniature: a few small samples written below `folder` in the real layout."""
