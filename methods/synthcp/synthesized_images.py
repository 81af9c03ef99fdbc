"""Synthesized images x̂ of predictions: of one image, for pictures, and of all training samples in files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from ...benchmark.interfaces import Context, Item, Pairs
from .cgan.synthesizer import Synthesizer


def synthesized_of(item: Item, key: str, synthesizer: Synthesizer) -> Tensor:
    """x̂ of an image (Eq. 3), uint8 (C, *size), synthesized once for all methods of the run.

    Args:
        item: the image with its prediction ŷ.
        key: the key of the cGAN, see `cgan`.
        synthesizer: the cGAN.
    """
    return item.memo.get(("Eq. 3", key), lambda: synthesizer(item.prediction.labels[None])[0])


def shown(item: Item, key: str, synthesizer: Synthesizer) -> dict[str, npt.NDArray[np.uint8]]:
    """x̂ as a picture for `bench show`. If x̂ has not three channels, the first is shown."""
    image = synthesized_of(item, key, synthesizer).cpu().numpy()
    return {"synthesized": image if len(image) == 3 else image[:1].repeat(3, axis=0)}


@dataclass(frozen=True)
class StoredImages(Sequence[npt.NDArray[np.uint8]]):
    """Synthesized images in one file each, which are memory-mapped when indexed.

    Attributes:
        folder: the folder of the files.
        number: number of images.
    """

    folder: Path
    number: int

    def __len__(self) -> int:
        return self.number

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[place] for place in range(self.number)[index]]
        return np.load(self.file(range(self.number)[index]), mmap_mode="r")

    def file(self, index: int) -> Path:
        """The file of an image."""
        return self.folder / f"{index:06d}.npy"


def stored_key(images: object) -> str:
    """The key of stored images, which says all that they depend on; "" for images that are not stored."""
    return images.folder.name if isinstance(images, StoredImages) else ""


def write_all(pairs: Pairs, synthesizer: Synthesizer, folder: Path, context: Context) -> None:
    """Write x̂ of the prediction of every training sample below `folder`."""
    images = StoredImages(folder, len(pairs))
    for index in context.track(range(len(pairs)), "synthesize", len(pairs)):
        prediction = pairs[index].prediction
        assert prediction is not None
        np.save(images.file(index), synthesizer(prediction.labels[None])[0].cpu().numpy())
