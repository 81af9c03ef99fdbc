"""The Medical Segmentation Decathlon (Antonelli et al., 2022): one data set for each of its ten tasks.

For a data set of your own in this layout, write one more subclass of `MSD` with its own `DecathlonTask`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from ..benchmark.interfaces import Dataset, Sample
from ..benchmark.interfaces.errors import BenchError
from .formats import decathlon
from .formats.decathlon import DecathlonTask
from .formats.decathlon_split import cases_of
from .formats.file_pairs import check_pairs, list_stems
from .formats.lazy_samples import LazySamples
from .formats.nifti import SUFFIX, volume_sample


class MSD(Dataset):
    """The dataset folder of one task of the Decathlon. Its labelled cases are split by a seed.

    A subclass sets `task`, and takes `info` and `marker` from it.
    """

    marker = "imagesTr"
    task: ClassVar[DecathlonTask]

    def prepare(self) -> None:
        """Check that every image has its label and belongs to this task. No file is decoded.

        Raises:
            BenchError: a folder, image or label is missing, or the folder is that of another task.
        """
        if not (self.root / "imagesTr").is_dir():
            raise BenchError(
                f"{self.root}: this is not a folder of the Decathlon. Expected layout:\n{self.info.layout}\n"
                f"Get it: {self.info.source}"
            )
        self._cases()

    def samples(self, split: str) -> Sequence[Sample]:
        """The samples of `train` or `test`, in natural order."""
        if split not in self.info.splits:
            return LazySamples()
        cases = self._cases()
        return LazySamples(
            volume_sample(case, *cases[case], self.task.reading) for case in cases_of(cases, split)
        )

    def _cases(self) -> dict[str, tuple[Path, Path]]:
        """Find the image file and the label file of every case."""
        folders = self.root / "imagesTr", self.root / "labelsTr"
        images, labels = (list_stems(folder, SUFFIX, self.info.layout) for folder in folders)
        check_pairs(images, labels, folders)
        foreign = [image for case, image in images.items() if not case.startswith(self.task.prefix)]
        if foreign:
            raise BenchError(
                f"{foreign[0]}: no file of {self.task.folder}, whose names begin with '{self.task.prefix}'. "
                "Is it another task's folder?"
            )
        return {case: (image, labels[case]) for case, image in images.items()}

    @classmethod
    def toy(cls, folder: Path) -> Dataset:
        """Write ten generated volumes of 24 x 32 x 36 voxels: 7 train, 3 test."""
        from .generators import organs

        organs.write(folder, organs.TOY, cls.task)
        return cls(folder)


class BrainTumour(MSD):
    """Task 01 of the Decathlon: brain tumours."""

    task = decathlon.BRAIN
    info, marker = task.info, task.marker


class Heart(MSD):
    """Task 02 of the Decathlon: the left atrium."""

    task = decathlon.HEART
    info, marker = task.info, task.marker


class Liver(MSD):
    """Task 03 of the Decathlon: the liver and its tumours."""

    task = decathlon.LIVER
    info, marker = task.info, task.marker


class Hippocampus(MSD):
    """Task 04 of the Decathlon: the hippocampus."""

    task = decathlon.HIPPOCAMPUS
    info, marker = task.info, task.marker


class Prostate(MSD):
    """Task 05 of the Decathlon: the prostate."""

    task = decathlon.PROSTATE
    info, marker = task.info, task.marker


class Lung(MSD):
    """Task 06 of the Decathlon: lung tumours."""

    task = decathlon.LUNG
    info, marker = task.info, task.marker


class Pancreas(MSD):
    """Task 07 of the Decathlon: the pancreas and its tumours, the data set of SynthCP's Table 2."""

    task = decathlon.PANCREAS
    info, marker = task.info, task.marker


class HepaticVessel(MSD):
    """Task 08 of the Decathlon: vessels and tumours of the liver."""

    task = decathlon.VESSEL
    info, marker = task.info, task.marker


class Spleen(MSD):
    """Task 09 of the Decathlon: the spleen."""

    task = decathlon.SPLEEN
    info, marker = task.info, task.marker


class Colon(MSD):
    """Task 10 of the Decathlon: tumours of the colon."""

    task = decathlon.COLON
    info, marker = task.info, task.marker
