"""What the values in a label file mean: classes, void and anomalies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...benchmark.interfaces import VOID, Labels, Mask, Truth
from ...benchmark.interfaces.errors import BenchError


@dataclass(frozen=True)
class LabelValues:
    """The meaning of the values in the label files of a data set.

    Attributes:
        classes: the class, from 0 to L-1, of each value that stands for a class.
        void: the values of pixels that are neither trained on nor scored.
        anomaly: the values of anomalous pixels. Their class is `VOID`, so that no failure metric counts them.
        marks_anomalies: whether the data set marks anomalies; without, `Truth.anomaly` is None.
    """

    classes: Mapping[int, int]
    void: frozenset[int] = frozenset()
    anomaly: frozenset[int] = frozenset()
    marks_anomalies: bool = False

    @property
    def allowed(self) -> list[int]:
        """All values that a label file may hold, ascending."""
        return sorted({*self.classes, *self.void, *self.anomaly})

    def check(self, values: npt.NDArray[np.integer[Any]], path: Path) -> None:
        """Check that the values, which the file at `path` holds, are allowed.

        Raises:
            BenchError: naming the file and the values that are not allowed.
        """
        allowed = self.allowed
        size = allowed[-1] + 1
        is_allowed = np.zeros(size, bool)
        is_allowed[allowed] = True
        inside = (values >= 0) & (values < size)
        good = inside & is_allowed[np.where(inside, values, 0)]
        if not good.all():
            bad = np.unique(values[~good]).tolist()
            raise BenchError(
                f"{path}: label value {', '.join(map(str, bad[:5]))} is not one of the data set's values "
                f"{_ranges(allowed)}. Is it another label format, or a colour-coded map?"
            )

    def truth(self, values: npt.NDArray[np.integer[Any]], path: Path) -> Truth:
        """Translate the values of the label file at `path`.

        Args:
            values: integers (*spatial).
            path: the file, for the error message.

        Raises:
            BenchError: the file holds a value that is not allowed.
        """
        self.check(values, path)
        class_of_value = np.full(self.allowed[-1] + 1, VOID, np.int64)
        class_of_value[list(self.classes)] = list(self.classes.values())
        label: Labels = class_of_value[values]
        anomaly: Mask | None = np.isin(values, list(self.anomaly)) if self.marks_anomalies else None
        valid: Mask = ~np.isin(values, list(self.void))
        return Truth(label, anomaly, valid)


def _ranges(values: Sequence[int]) -> str:
    """Print ascending numbers as ranges: `[0, 1, 2, 5]` as "0-2, 5"."""
    runs: list[list[int]] = []
    for value in values:
        if runs and value == runs[-1][1] + 1:
            runs[-1][1] = value
        else:
            runs.append([value, value])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
