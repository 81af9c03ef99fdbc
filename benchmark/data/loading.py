"""Reads samples ahead of their use, in worker processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch.utils.data import DataLoader

from ..interfaces import Sample
from ..interfaces.errors import BenchError
from .freed_memory import Heap, return_freed

Item = TypeVar("Item")
Result = TypeVar("Result")


def load_batches(samples: Sequence[Sample], batch_size: int, workers: int) -> Iterator[list[Sample]]:
    """Yield samples in order, with image and ground truth read, in batches of one image shape.

    A batch ends early where the next image has another shape.

    Args:
        samples: A sequence whose indexing gives a sample.
        batch_size: The largest number of samples in a batch.
        workers: Number of processes that read ahead, a few samples each; 0 reads in this process.

    Raises:
        BenchError: The batch size is below 1, or the reader of a sample raised this error.
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
    """Stack the images of samples of one shape: float32 (B, C, *spatial), on the device."""
    return torch.from_numpy(np.stack([sample.image for sample in samples])).to(device)


def ahead(
    function: Callable[[int], Result], count: int, workers: int, start: int = 0, depth: int = 2
) -> Iterator[Result]:
    """Yield `function(start), ..., function(count - 1)` in order, computed ahead in worker processes.

    Args:
        function: A pure function of its argument; picklable on platforms that do not fork.
        count: One more than the last argument.
        workers: Number of processes; 0 computes in this process.
        start: The first argument.
        depth: Results that every worker computes ahead.

    Raises:
        BenchError: The error that the function raised in a worker, unchanged.
    """
    # Workers are forked from this process, and would hold on to the freed memory that it gives back later.
    return_freed()
    loader: DataLoader[Any] = DataLoader(
        _Guarded(function),  # type: ignore[arg-type]
        batch_size=None,
        sampler=range(start, count),
        num_workers=min(workers, max(count - start, 0)),
        prefetch_factor=depth if min(workers, count - start) > 0 else None,
        collate_fn=_as_is,
        # With its own generator, a loader draws nothing from the global one, which a resumed run restores.
        generator=torch.Generator(),
    )
    for result in loader:
        if isinstance(result, _Failure):
            raise result.error()
        yield result


@dataclass(frozen=True)
class _Read:
    """Reads a sample's image and ground truth in the process that calls it."""

    samples: Sequence[Sample]

    def __call__(self, index: int) -> Sample:
        sample = self.samples[index]
        _ = sample.image, sample.truth
        return sample


@dataclass(frozen=True)
class _Failure:
    """A BenchError on its way from a worker: DataLoader would wrap an error in the text of its traceback."""

    error_class: type[BenchError]
    args: tuple[Any, ...]

    def error(self) -> BenchError:
        # Without the constructor: a subclass may take other arguments than the message.
        return self.error_class.__new__(self.error_class, *self.args)


@dataclass(frozen=True)
class _Guarded(Generic[Result]):
    """A function as a dataset of torch, which returns a BenchError in place of raising it."""

    function: Callable[[int], Result]

    def __getitem__(self, index: int) -> Result | _Failure:
        try:
            return self.function(index)
        except BenchError as error:
            return _Failure(type(error), error.args)


def _as_is(item: Item) -> Item:
    return item
