"""Cityscapes (Cordts et al., CVPR 2016). Its 500 validation images are the test split of the experiments."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from ..benchmark.interfaces import Dataset, DatasetInfo, Sample, Task
from ..benchmark.interfaces.errors import BenchError
from .formats.file_pairs import check_pairs, list_stems
from .formats.label_values import LabelValues
from .formats.lazy_samples import LazySamples
from .formats.photographs import photograph_sample

CLASSES = (
    "road",
    "sidewalk",
    "building",
    "wall",
    "fence",
    "pole",
    "traffic light",
    "traffic sign",
    "vegetation",
    "terrain",
    "sky",
    "person",
    "rider",
    "car",
    "truck",
    "bus",
    "train",
    "motorcycle",
    "bicycle",
)
PALETTE = (
    (128, 64, 128),
    (244, 35, 232),
    (70, 70, 70),
    (102, 102, 156),
    (190, 153, 153),
    (153, 153, 153),
    (250, 170, 30),
    (220, 220, 0),
    (107, 142, 35),
    (152, 251, 152),
    (70, 130, 180),
    (220, 20, 60),
    (255, 0, 0),
    (0, 0, 142),
    (0, 0, 70),
    (0, 60, 100),
    (0, 80, 100),
    (0, 0, 230),
    (119, 11, 32),
)
LAYOUT = """\
leftImg8bit/{train,val}/CITY/CITY_SEQ_FRAME_leftImg8bit.png
gtFine/{train,val}/CITY/CITY_SEQ_FRAME_gtFine_labelIds.png (or ..._labelTrainIds.png)"""
ROWS = 256
"""The height at which images are segmented and scored, as in the published code of SynthCP (256 x 512)."""

_LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
# Label ids run to 33, and the licence plate is -1 (255 in 8 bits). Train ids have 255 for everything void.
_LABEL_VALUES = {
    "_gtFine_labelIds.png": LabelValues(
        {value: label for label, value in enumerate(_LABEL_IDS)},
        void=frozenset(range(34)).difference(_LABEL_IDS) | {255},
    ),
    "_gtFine_labelTrainIds.png": LabelValues({value: value for value in range(19)}, void=frozenset({255})),
}
_FOLDERS = {"train": "train", "test": "val"}


class Cityscapes(Dataset):
    """Cityscapes with fine labels, stored as label ids or as train ids.

    Where a frame has both, the label ids are read. Frames taller than 256 rows are shrunk to 256 rows, their
    labels by nearest neighbour.
    """

    marker = "leftImg8bit"
    info: ClassVar[DatasetInfo] = DatasetInfo(
        name="cityscapes",
        summary="2975 street photographs of 18 cities, tested on the 500 of the validation cities",
        revision="leftImg8bit+gtFine",
        tasks=(Task.PIXEL_FAILURE, Task.IMAGE_FAILURE),
        classes=CLASSES,
        palette=PALETTE,
        splits={"train": 2975, "test": 500},
        licence="Cityscapes licence: non-commercial research, no redistribution "
        "(cityscapes-dataset.com/license)",
        citation="Cordts et al., The Cityscapes Dataset for Semantic Urban Scene Understanding, CVPR 2016, "
        "arXiv:1604.01685",
        source="needs an account: register at https://www.cityscapes-dataset.com/register, then log in and "
        "download leftImg8bit_trainvaltest.zip (11 GB) and gtFine_trainvaltest.zip (241 MB) from "
        "https://www.cityscapes-dataset.com/downloads and unpack both into one folder",
        layout=LAYOUT,
        folders=("cityscapes", "Cityscapes"),
        segmenters=("fcn8s", "deeplab"),
    )

    def prepare(self) -> None:
        """Check that both splits are there and that every image has its label. No file is decoded.

        Raises:
            BenchError: a folder, image or label is missing.
        """
        if not (self.root / "leftImg8bit").is_dir() and not (self.root / "gtFine").is_dir():
            raise BenchError(
                f"{self.root}: this is not a Cityscapes folder. Expected layout:\n{LAYOUT}\n"
                f"Get it: {self.info.source}"
            )
        for split in _FOLDERS:
            self._frames(split)

    def samples(self, split: str) -> Sequence[Sample]:
        """The samples of `train` or `test` (the folder `val`), in natural order; `group` is the city."""
        if split not in _FOLDERS:
            return LazySamples()
        return LazySamples(
            photograph_sample(
                f"{_FOLDERS[split]}/{frame}",
                image,
                label,
                label_values,
                group=frame.rpartition("/")[0] or None,
                rows=ROWS,
            )
            for frame, image, label, label_values in self._frames(split)
        )

    def _frames(self, split: str) -> list[tuple[str, Path, Path, LabelValues]]:
        """The name, image file and label file of every frame of a split, and what the label values mean."""
        folders = self.root / "leftImg8bit" / _FOLDERS[split], self.root / "gtFine" / _FOLDERS[split]
        images = list_stems(folders[0], "_leftImg8bit.png", LAYOUT)
        labels: dict[str, tuple[Path, LabelValues]] = {}
        for suffix, label_values in _LABEL_VALUES.items():
            for frame, path in list_stems(folders[1], suffix, LAYOUT).items():
                labels.setdefault(frame, (path, label_values))
        check_pairs(images, {frame: path for frame, (path, _) in labels.items()}, folders)
        return [(frame, image, *labels[frame]) for frame, image in images.items()]

    @classmethod
    def toy(cls, folder: Path) -> Dataset:
        """Write ten generated scenes of 64 x 96 pixels: 6 train, 4 test."""
        from .generators import scene_layouts

        scene_layouts.write_cityscapes(folder, scene_layouts.TOY)
        return cls(folder)
