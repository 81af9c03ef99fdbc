"""Selects samples: parts of a sequence, evenly spaced samples, and the order of training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..interfaces import Sample


class Slice(Sequence[Sample]):
    """The samples of some rows of a sequence. Every indexing gives a fresh sample, with nothing read yet."""

    def __init__(self, samples: Sequence[Sample], rows: Sequence[int]) -> None:
        self._samples = samples
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: Any) -> Any:
        rows = self._rows[index]
        return Slice(self._samples, rows) if isinstance(index, slice) else self._samples[rows]


def evenly(samples: Sequence[Sample], most: int) -> Sequence[Sample]:
    """Select at most `most` samples, evenly spaced."""
    if len(samples) <= most:
        return samples
    return Slice(samples, [number * len(samples) // most for number in range(most)])


def shuffled(position: int, count: int, seed: int, stream: int) -> int:
    """The index at a position of an endless random order in which every epoch has each of `count` once.

    Args:
        position: Position in the order, from 0.
        count: Number of samples.
        seed: The run's seed.
        stream: A number that keeps the orders of different trainings with one seed apart.
    """
    epoch, place = divmod(position, count)
    return int(np.random.default_rng((seed, stream, epoch)).permutation(count)[place])
