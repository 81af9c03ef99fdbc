"""Gives memory that was freed back to the operating system while samples stream through a process."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable

from ..interfaces import Sample

TRIM_AFTER = 2**23
"""Image values between two returns: three frames of 720 x 1280, or some hundred small frames."""

_TRIM = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None


def return_freed() -> None:
    """Give freed memory back to the system. Does nothing where the C library is not glibc."""
    if _TRIM is not None:
        _TRIM(0)


class Heap:
    """Returns freed memory after every `TRIM_AFTER` image values.

    glibc keeps freed pieces of the heap, and every batch scatters more of them: 4 MiB for each frame of
    720 x 1280, although nothing holds the frame any more.
    """

    def __init__(self) -> None:
        self._values = 0

    def passed(self, samples: Iterable[Sample]) -> None:
        """Count the image values of samples that are no longer needed."""
        self._values += sum(sample.image.size for sample in samples)
        if self._values >= TRIM_AFTER:
            self._values = 0
            return_freed()
