"""A sequence of samples that are made when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import overload

from ...benchmark.interfaces import Sample


class LazySamples(Sequence[Sample]):
    """Samples that are made fresh each time they are indexed, so that the sequence keeps no pixels alive.

    Args:
        makers: functions that make one sample each. They are picklable.
    """

    def __init__(self, makers: Iterable[Callable[[], Sample]] = ()) -> None:
        self._makers = tuple(makers)

    def __len__(self) -> int:
        return len(self._makers)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> LazySamples: ...
    def __getitem__(self, index: int | slice) -> Sample | LazySamples:
        if isinstance(index, slice):
            return LazySamples(self._makers[index])
        return self._makers[index]()
