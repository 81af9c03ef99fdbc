"""Data sets and their samples.

In shapes, `C` is the number of channels, `L` the number of classes, and `*spatial` is (H, W) for images or
(D, H, W) for volumes.
"""

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
"""The label of pixels that have no class: networks are not trained on them, and failures are not scored."""


@dataclass(frozen=True)
class Truth:
    """The ground truth of a sample.

    Attributes:
        label: int64 (*spatial), 0..L-1; `VOID` where the pixel has no known class, unknown objects included.
        anomaly: bool (*spatial), true on anomalous pixels; None if the data set marks no anomalies.
        valid: bool (*spatial), false on pixels that no task scores. Unknown objects must stay valid: an
            anomalous pixel that is not valid counts nowhere.
    """

    label: Labels
    anomaly: Mask | None
    valid: Mask

    @property
    def scored(self) -> Labels:
        """int64 (*spatial), `label` with `VOID` on the pixels that are not valid: learn from this one."""
        return self.label if self.valid.all() else np.where(self.valid, self.label, VOID)


class Sample:
    """One image (or volume) with its ground truth. The image and the ground truth load when first used.

    Args:
        key: names the sample; unique in its data set and the same on every machine.
        read_image: gives the image, float32 (C, *spatial); photographs are RGB in [0, 1]. Picklable.
        read_truth: gives the `Truth`. Picklable.
        group: the town, patient or sequence that the sample is from; None if the data set has no groups.
        spacing: size of a voxel in millimetres, one number per axis; None for photographs.
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
        """The image, float32 (C, *spatial)."""
        return self._read_image()

    @cached_property
    def truth(self) -> Truth:
        """The ground truth."""
        return self._read_truth()

    @property
    def view(self) -> View:
        """The sample without its ground truth."""
        return View(self.key, self.image, self.group, self.spacing)


@dataclass(frozen=True)
class View:
    """A test sample without its ground truth, as a method sees it.

    Attributes:
        image: float32 (C, *spatial).
        key: as in `Sample`.
        group: as in `Sample`.
        spacing: as in `Sample`.
    """

    key: str
    image: Float32
    group: str | None = None
    spacing: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Archive:
    """A file that `bench data NAME --fetch` downloads and unpacks.

    Attributes:
        folder: the folder below the data set's own into which the file is unpacked.
        size: number of bytes; None if not published.
        sha256: digest of the file; None if not published.
        md5: digest of the file; None if not published.
    """

    url: str
    folder: str = "."
    size: int | None = None
    sha256: str | None = None
    md5: str | None = None


@dataclass(frozen=True)
class DatasetInfo:
    """The facts of a data set. What plugins do on a data set may depend on any of them but the name.

    Attributes:
        name: the registered name.
        summary: one line for listings.
        revision: the release, or the version of the generator; records of other revisions do not mix.
        tasks: the tasks that the ground truth allows.
        classes: names of the classes. In volumes the first is the background, which is no structure.
        palette: the RGB colour of each class in pictures.
        splits: split -> number of images in the official release.
        source: where the data come from, and how to get them.
        layout: the expected files, for people.
        folders: names that the data set's folder usually has.
        archives: the files that `--fetch` downloads; empty if a login is needed (`source` says how).
        ndim: 2 for images, 3 for volumes.
        channels: channels of an image; 3 for photographs.
        default_preset: the preset of a run that names none.
        segmenters: the segmenters of the published experiment; the first is the default at the preset `full`.
        light: segmenters that train on two CPU cores, used instead of `segmenters` at `small` and `smoke`.
        default_tasks: the tasks of the published experiment on this data set, which a run does if it names
            the data set and no task. Empty: all of `tasks`.
        scored: the classes whose quality counts in image-level failures. Empty: all of `classes`.
        miniature: whether images are so small and simple that networks train on them within minutes. The
            preset `small` then uses shorter schedules.
        test_scales: lengths of the image's short side, in pixels. The published experiment averages the
            segmenter's output and features over the image resized to each length. Empty: the image as it is.
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
    light: tuple[str, ...] = ("lite0", "segformer")
    default_tasks: tuple[Task, ...] = ()
    scored: tuple[str, ...] = ()
    miniature: bool = False
    test_scales: tuple[int, ...] = ()


class Dataset(ABC):
    """A data set on disk. The constructor only stores its argument.

    Args:
        root: the data set's own folder.
    """

    info: ClassVar[DatasetInfo]
    marker: ClassVar[str | None] = None
    """Path or glob pattern of a file that every copy of the data set holds, relative to `root`.

    It tells the data set's folder from the folder above and from folders of other data sets.
    """
    generated: ClassVar[bool] = False
    """Whether `prepare` makes the data, so that the user need not give a folder."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    @abstractmethod
    def prepare(self) -> None:
        """Check that the dataset folder is complete and well-formed. Generated data sets write their files.

        Raises:
            BenchError: a file is missing or malformed; names the file and the expected layout.
        """

    @abstractmethod
    def samples(self, split: str) -> Sequence[Sample]:
        """The samples of `train`, `validation` or `test` in natural order. Loads no pixels.

        Indexing gives a new `Sample`, with nothing loaded, every time. A split that the data set lacks is
        empty.
        """

    @classmethod
    @abstractmethod
    def toy(cls, folder: Path) -> Dataset:
        """A few small samples, written below `folder` in the data set's own layout, for tests."""
