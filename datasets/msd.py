"""The Medical Segmentation Decathlon (Antonelli et al., 2022): ten tasks of one layout, a data set each.

A tree of one's own in this layout is one more subclass of `MSD`, with a `DecathlonTask` of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import ClassVar

from ..benchmark.interfaces import Dataset, Sample
from ..benchmark.interfaces.errors import BenchError
from .formats import decathlon
from .formats.decathlon import SPLIT_SEED, DecathlonTask, training_cases
from .formats.images import Samples, list_stems, natural_key, pair
from .formats.nifti import SUFFIX, volume


class MSD(Dataset):
    """One task of the Decathlon, read in place. Its labelled cases are split by a seed."""

    marker = "imagesTr"
    task: ClassVar[DecathlonTask]

    def prepare(self) -> None:
        """Check that every image has its label, and that they are this task's. Decodes nothing.

        Raises:
            BenchError: a folder, image or label is missing, or the tree is another task's.
        """
        if not (self.root / "imagesTr").is_dir():
            raise BenchError(
                f"{self.root}: not a folder of the Decathlon. Expected layout:\n{self.info.layout}\n"
                f"Get it: {self.info.source}"
            )
        self._cases()

    def samples(self, split: str) -> Sequence[Sample]:
        """The samples of `train` or `test`, in natural order."""
        if split not in self.info.splits:
            return Samples()
        cases = self._cases()
        return Samples(volume(case, *cases[case], self.task.reading) for case in split_of(list(cases), split))

    def _cases(self) -> dict[str, tuple[Path, Path]]:
        """Case -> image and label."""
        folders = self.root / "imagesTr", self.root / "labelsTr"
        images, labels = (list_stems(folder, SUFFIX, self.info.layout) for folder in folders)
        pair(images, labels, folders)
        foreign = next(
            (image for case, image in images.items() if not case.startswith(self.task.prefix)), None
        )
        if foreign is not None:
            raise BenchError(
                f"{foreign}: no file of {self.task.folder}, whose names begin with '{self.task.prefix}'. "
                "Is it another task's folder?"
            )
        return {case: (image, labels[case]) for case, image in images.items()}

    @classmethod
    def toy(cls, folder: Path) -> Dataset:
        """Ten generated volumes (7 train, 3 test) of 24 x 32 x 36."""
        from .generators import organs

        organs.write(folder, organs.TOY, cls.task)
        return cls(folder)


def split_of(cases: Iterable[str], split: str) -> list[str]:
    """The cases of `train` or `test`, in natural order.

    A hash of seed and name ranks them, so that the split is the same on every machine and the names alone
    record it.
    """
    ranked = sorted(cases, key=lambda case: hashlib.sha256(f"{SPLIT_SEED}:{case}".encode()).digest())
    count = training_cases(len(ranked))
    return sorted(ranked[:count] if split == "train" else ranked[count:], key=natural_key)


class BrainTumour(MSD):
    """Task01."""

    task = decathlon.BRAIN
    info, marker = task.info, task.marker


class Heart(MSD):
    """Task02."""

    task = decathlon.HEART
    info, marker = task.info, task.marker


class Liver(MSD):
    """Task03."""

    task = decathlon.LIVER
    info, marker = task.info, task.marker


class Hippocampus(MSD):
    """Task04."""

    task = decathlon.HIPPOCAMPUS
    info, marker = task.info, task.marker


class Prostate(MSD):
    """Task05."""

    task = decathlon.PROSTATE
    info, marker = task.info, task.marker


class Lung(MSD):
    """Task06."""

    task = decathlon.LUNG
    info, marker = task.info, task.marker


class Pancreas(MSD):
    """Task07, the paper's."""

    task = decathlon.PANCREAS
    info, marker = task.info, task.marker


class HepaticVessel(MSD):
    """Task08."""

    task = decathlon.VESSEL
    info, marker = task.info, task.marker


class Spleen(MSD):
    """Task09."""

    task = decathlon.SPLEEN
    info, marker = task.info, task.marker


class Colon(MSD):
    """Task10."""

    task = decathlon.COLON
    info, marker = task.info, task.marker
