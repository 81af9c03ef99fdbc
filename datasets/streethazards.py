"""StreetHazards (Hendrycks et al., 2019): simulated streets. The test towns hold objects never trained on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from ..benchmark.interfaces import Archive, Dataset, DatasetInfo, Sample, Task
from ..benchmark.interfaces.errors import BenchError
from .formats.file_pairs import check_pairs, list_stems
from .formats.label_values import LabelValues
from .formats.lazy_samples import LazySamples
from .formats.photographs import photograph_sample

CLASSES = (
    "unlabelled",
    "building",
    "fence",
    "other",
    "pedestrian",
    "pole",
    "road line",
    "road",
    "sidewalk",
    "vegetation",
    "car",
    "wall",
    "traffic sign",
)
PALETTE = (
    (0, 0, 0),
    (70, 70, 70),
    (190, 153, 153),
    (250, 170, 160),
    (220, 20, 60),
    (153, 153, 153),
    (157, 234, 50),
    (128, 64, 128),
    (244, 35, 232),
    (107, 142, 35),
    (0, 0, 142),
    (102, 102, 156),
    (220, 220, 0),
)
LAYOUT = """\
train/images/{training,validation}/TOWN/NAME.png
train/annotations/{training,validation}/TOWN/NAME.png
test/images/test/TOWN/NAME.png
test/annotations/test/TOWN/NAME.png"""
SERVER = "https://people.eecs.berkeley.edu/~hendrycks"

# A label file holds class + 1. In the release no file holds 0, and only test files hold 14, the anomaly.
_TRAINED = LabelValues({value + 1: value for value in range(13)}, void=frozenset({0}), marks_anomalies=True)
_TEST = LabelValues(_TRAINED.classes, void=_TRAINED.void, anomaly=frozenset({14}), marks_anomalies=True)
_SPLITS = {
    "train": ("train", "training", _TRAINED),
    "validation": ("train", "validation", _TRAINED),
    "test": ("test", "test", _TEST),
}


class StreetHazards(Dataset):
    """StreetHazards in the layout of its two tar files.

    Anomalous pixels have `Truth.anomaly` true and the label `VOID`: the anomaly task scores these pixels, the
    failure tasks do not. Pixels whose label file holds 0 are not valid.
    """

    marker = "train/images/training"
    info: ClassVar[DatasetInfo] = DatasetInfo(
        name="streethazards",
        summary="5125 simulated street scenes, tested on 1500 of other towns with objects never trained on",
        revision="2019",
        tasks=(Task.ANOMALY, Task.PIXEL_FAILURE, Task.IMAGE_FAILURE),
        default_tasks=(Task.ANOMALY,),
        classes=CLASSES,
        palette=PALETTE,
        splits={"train": 5125, "validation": 1031, "test": 1500},
        licence="MIT (github.com/hendrycks/anomaly-seg)",
        citation="Hendrycks et al., Scaling Out-of-Distribution Detection for Real-World Settings, ICML "
        "2022, arXiv:1911.11132",
        source="github.com/hendrycks/anomaly-seg names the two tar files; `bench data streethazards --fetch` "
        "downloads and extracts them",
        layout=LAYOUT,
        folders=("StreetHazards", "streethazards"),
        segmenters=("pspnet",),
        test_scales=(300, 375, 450, 525, 600),
        archives=(
            Archive(f"{SERVER}/streethazards_train.tar"),
            Archive(f"{SERVER}/streethazards_test.tar"),
        ),
    )

    def prepare(self) -> None:
        """Check that every split is there and that every image has its label. No file is decoded.

        Raises:
            BenchError: a folder, image or label is missing.
        """
        if not (self.root / "train").is_dir() and not (self.root / "test").is_dir():
            raise BenchError(
                f"{self.root}: this is not a StreetHazards folder. Expected layout:\n{LAYOUT}\n"
                f"Get it: {self.info.source}"
            )
        for split in _SPLITS:
            self._frames(split)

    def samples(self, split: str) -> Sequence[Sample]:
        """The samples of `train`, `validation` or `test`, in natural order; `group` is the town."""
        if split not in _SPLITS:
            return LazySamples()
        _, name, label_values = _SPLITS[split]
        return LazySamples(
            photograph_sample(
                f"{name}/{frame}", image, label, label_values, group=frame.rpartition("/")[0] or None
            )
            for frame, image, label in self._frames(split)
        )

    def _frames(self, split: str) -> list[tuple[str, Path, Path]]:
        """The name, image file and label file of every frame of a split."""
        top, name, _ = _SPLITS[split]
        folders = self.root / top / "images" / name, self.root / top / "annotations" / name
        images, labels = (list_stems(folder, ".png", LAYOUT) for folder in folders)
        check_pairs(images, labels, folders)
        return [(frame, image, labels[frame]) for frame, image in images.items()]

    @classmethod
    def toy(cls, folder: Path) -> Dataset:
        """Write twelve generated scenes of 64 x 96 pixels: 6 train, 2 validation, 4 test."""
        from .generators import scene_layouts

        scene_layouts.write_streethazards(folder, scene_layouts.TOY)
        return cls(folder)
