"""Reads samples ahead of their use, in worker processes."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch.utils.data import DataLoader

from ..interfaces import Sample
from ..interfaces.errors import BenchError

Item = TypeVar("Item")
Result = TypeVar("Result")

TRIM_AFTER = 2**23
"""Numbers of images: three frames of 720 x 1280, a part of a volume, some hundred small frames."""

_TRIM = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None


def return_freed() -> None:
    """Give freed memory back to the system; where the C library is not glibc, nothing is done."""
    if _TRIM is not None:
        _TRIM(0)


class Heap:
    """Gives freed memory back now and then while samples pass.

    glibc keeps freed pieces of the heap, and with every batch more of them lie scattered: 4 MiB for each
    frame of 720 x 1280, though nothing is held.
    """

    def __init__(self) -> None:
        self._numbers = 0

    def passed(self, samples: Iterable[Sample]) -> None:
        """Count the numbers of these images; after every `TRIM_AFTER`, give back what is free."""
        self._numbers += sum(sample.image.size for sample in samples)
        if self._numbers >= TRIM_AFTER:
            self._numbers = 0
            return_freed()


def load_batches(samples: Sequence[Sample], batch_size: int, workers: int) -> Iterator[list[Sample]]:
    """Samples with image and truth read, in order, in batches of one image shape.

    A batch ends early where the next image has another shape.

    Args:
        samples: indexing gives a sample.
        batch_size: the most samples a batch.
        workers: processes that read ahead, each a few samples; 0 reads in this process.

    Raises:
        BenchError: what a sample's reader raised.
    """
    if batch_size < 1:
        raise BenchError(f"batch size {batch_size}: must be at least 1")
    batch: list[Sample] = []
    heap = Heap()
    for sample in ahead(_Read(samples), len(samples), workers):
        if batch and (len(batch) == batch_size or sample.image.shape != batch[0].image.shape):
            yield batch
            heap.passed(batch)
            batch = []
        batch.append(sample)
    if batch:
        yield batch


def to_batch(samples: Sequence[Sample], device: str | torch.device) -> torch.Tensor:
    """float32 (B, C, *spatial) of samples of one shape."""
    return torch.from_numpy(np.stack([sample.image for sample in samples])).to(device)


def ahead(
    function: Callable[[int], Result], count: int, workers: int, start: int = 0, depth: int = 2
) -> Iterator[Result]:
    """`function(start), ..., function(count - 1)` in order, computed ahead in worker processes.

    Args:
        function: picklable where the platform does not fork; a pure function of its argument.
        count: where to end.
        workers: processes; 0 computes in this process.
        start: where to begin.
        depth: results that a worker computes ahead.

    Raises:
        BenchError: the very error that the function raised in a worker.
    """
    # Otherwise what this process gives back later stays with the workers, which are forked from it.
    return_freed()
    loader: DataLoader[Any] = DataLoader(
        _Guarded(function),  # type: ignore[arg-type]
        batch_size=None,
        sampler=range(start, count),
        num_workers=min(workers, max(count - start, 0)),
        prefetch_factor=depth if min(workers, count - start) > 0 else None,
        collate_fn=_as_is,
        # Its own generator: otherwise every loader draws from the global one, and a resumed run differs.
        generator=torch.Generator(),
    )
    for result in loader:
        if isinstance(result, _Failure):
            raise result.error()
        yield result


class Slice(Sequence[Sample]):
    """The samples of some rows of a sequence; each indexing gives a fresh sample."""

    def __init__(self, samples: Sequence[Sample], rows: Sequence[int]) -> None:
        self._samples = samples
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: Any) -> Any:
        rows = self._rows[index]
        return Slice(self._samples, rows) if isinstance(index, slice) else self._samples[rows]


def evenly(samples: Sequence[Sample], most: int) -> Sequence[Sample]:
    """At most so many of the samples, evenly spaced."""
    if len(samples) <= most:
        return samples
    return Slice(samples, [number * len(samples) // most for number in range(most)])


def shuffled(position: int, count: int, seed: int, stream: int) -> int:
    """The index at a position of an endless order in which each of `count` comes once an epoch.

    Args:
        stream: keeps the orders of different trainings of one seed apart.
    """
    epoch, place = divmod(position, count)
    return int(np.random.default_rng((seed, stream, epoch)).permutation(count)[place])


@dataclass(frozen=True)
class _Read:
    samples: Sequence[Sample]

    def __call__(self, index: int) -> Sample:
        sample = self.samples[index]
        _ = sample.image, sample.truth
        return sample


@dataclass(frozen=True)
class _Failure:
    """A BenchError on its way from a worker: DataLoader would wrap it in the text of its traceback."""

    kind: type[BenchError]
    args: tuple[Any, ...]

    def error(self) -> BenchError:
        # Not through the constructor: a subclass may take other arguments than the message.
        return self.kind.__new__(self.kind, *self.args)


@dataclass(frozen=True)
class _Guarded(Generic[Result]):
    function: Callable[[int], Result]

    def __getitem__(self, index: int) -> Result | _Failure:
        try:
            return self.function(index)
        except BenchError as error:
            return _Failure(type(error), error.args)


def _as_is(item: Item) -> Item:
    return item
