"""Predictions of the training split by segmenters that were not trained on the predicted images.

Failure predictors learn from such predictions: on images that a segmenter was trained on, the segmenter makes
too few errors to learn from (SynthCP, Section 4.1).
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..data.freed_memory import Heap
from ..data.loading import load_batches, to_batch
from ..data.selection import Slice
from ..interfaces import Needs, Pair, Pairs, Prediction, Sample, Segmenter
from ..interfaces.errors import BenchError

FOLDS = 4
INDEX = "index.json"
_STORED = {"labels": np.uint8, "confidence": np.float32, "logits": np.float16, "probabilities": np.float16}


def bounds(count: int, folds: int = FOLDS) -> list[tuple[int, int]]:
    """The range of indices that each fold leaves out: [int(k L / folds), int((k + 1) L / folds)).

    Raises:
        BenchError: a fold would be empty.
    """
    if count < folds:
        raise BenchError(f"{count} training samples cannot be split into {folds} folds: one would be empty")
    return [(k * count // folds, (k + 1) * count // folds) for k in range(folds)]


def kept_and_left_out(samples: Sequence[Sample], fold: int) -> tuple[Slice, Slice]:
    """The samples that a fold's segmenter is trained on, and those that the segmenter predicts."""
    start, end = bounds(len(samples))[fold]
    kept = [*range(start), *range(end, len(samples))]
    return Slice(samples, kept), Slice(samples, range(start, end))


def can_be_stored(needs: Needs) -> bool:
    """Whether predictions with these needs are kept on disk; others are made anew at each use."""
    return not (needs.features or needs.branch or needs.monte_carlo or needs.ensemble)


def write_predictions(
    folder: Path,
    start: int,
    batches: Sequence[Sample],
    segmenter: Segmenter,
    needs: Needs,
    device: str,
    seed: int,
) -> None:
    """Predict samples and write the arrays that `needs` asks for, one file each, numbered from `start`.

    A pixel takes one byte for the label, four for the maximum probability, two for each class of logits
    and of probabilities.
    """
    number = start
    keys = []
    # Volumes are too large for more than one at a time.
    size = 1 if segmenter.dataset.ndim == 3 else 4
    for batch in load_batches(batches, size, 0):
        predictions = segmenter.predict(
            to_batch(batch, device), [sample.key for sample in batch], needs, seed
        )
        for sample, prediction in zip(batch, predictions, strict=True):
            for name, kind in _STORED.items():
                array = getattr(prediction, name)
                if array is not None:
                    np.save(folder / f"{number:06d}.{name}.npy", array.cpu().numpy().astype(kind))
            keys.append(sample.key)
            number += 1
    index = folder / INDEX
    earlier = json.loads(index.read_text()) if index.exists() else []
    index.write_text(json.dumps([*earlier, *keys]))


class _Pairs(Pairs):
    """Pairs that are made when indexed by their number."""

    def __init__(self, samples: Sequence[Sample], key: str) -> None:
        self._samples = samples
        self.key = key

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: Any) -> Any:
        numbers = range(len(self))[index]
        return [self._pair(n) for n in numbers] if isinstance(index, slice) else self._pair(numbers)

    @abstractmethod
    def _pair(self, number: int) -> Pair:
        """The pair with this number, from 0 on."""


class LabelPairs(_Pairs):
    """Training samples without predictions."""

    def _pair(self, number: int) -> Pair:
        return Pair(self._samples[number], None)


class StoredPairs(_Pairs):
    """Training samples with predictions that are read from disk; usable in worker processes."""

    def __init__(self, samples: Sequence[Sample], key: str, folder: Path) -> None:
        super().__init__(samples, key)
        if [sample.key for sample in samples] != json.loads((folder / INDEX).read_text()):
            raise BenchError(f"the predictions in {folder} are of other samples; delete that folder")
        self._folder = folder

    def _pair(self, number: int) -> Pair:
        arrays: dict[str, Any] = {}
        for name in _STORED:
            file = self._folder / f"{number:06d}.{name}.npy"
            if file.exists():
                array = np.array(np.load(file, mmap_mode="r"))
                arrays[name] = torch.from_numpy(array.astype(np.int64 if name == "labels" else np.float32))
        return Pair(self._samples[number], Prediction(**arrays))


class LivePairs(_Pairs):
    """Training samples that are predicted when indexed: on the run's device, in the run's own process.

    Args:
        segmenter_of: gives the segmenter that may predict the sample with a number.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        key: str,
        segmenter_of: Callable[[int], Segmenter],
        needs: Needs,
        device: str,
        seed: int,
    ) -> None:
        super().__init__(samples, key)
        self._heap = Heap()
        self._segmenter_of = segmenter_of
        self._needs = needs
        self._device = device
        self._seed = seed

    def _pair(self, number: int) -> Pair:
        sample = self._samples[number]
        self._heap.passed([sample])
        segmenter = self._segmenter_of(number)
        images = to_batch([sample], self._device)
        (prediction,) = segmenter.predict(images, [sample.key], self._needs, self._seed)
        return Pair(sample, prediction)
