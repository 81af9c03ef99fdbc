"""Ranking metrics of each image, and their means over a data set."""

import math
from collections.abc import Mapping
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..ordering import Ordering, order
from ..ranking_values import UNDEFINED, RankingValues, ranking_values
from .sample_keys import pack_keys, unpack_keys

DIFFERENT_SUCCESS = (
    "one state holds `ap_success` (the average precision with negatives as the positive class) and the other "
    "does not: create both with the same argument `success`"
)


class RankingMeans(NamedTuple):
    """The means of the ranking metrics over the images of a data set.

    Attributes:
        value: the means; NaN where no image counts or a valid score is NaN. `ap_success` is NaN unless the
            state was created with `success`.
        images: number of images that count.
        skipped: number of images without positives or without negatives, which do not count.
        nan_keys: keys of the images that count and have a NaN among their valid scores.
    """

    value: RankingValues
    images: int
    skipped: int
    nan_keys: tuple[str, ...]


class PerImageState:
    """Collects the ranking metrics of each image, and averages them.

    An image without a positive or without a negative is skipped. Images are told apart by their keys, and an
    image that is added twice counts once: a distributed sampler that pads its batches with duplicates changes
    nothing. The result does not depend on the order of images or merges. Memory: the two
    counts and the metrics of each image.

    Args:
        success: whether to compute the average precision with negatives as the positive class, too.

    Source: SynthCP, Section 4.2, tables 3 and 4.
    """

    def __init__(self, success: bool = False) -> None:
        self.success = success
        self._images: dict[str, tuple[float, ...]] = {}

    def update(self, key: str, score: ArrayLike, positive: ArrayLike, valid: ArrayLike | None = None) -> None:
        """Add one image; arguments as for `order`.

        Raises:
            ValueError: as `order` does, or the key was added before with another result.
            TypeError: as `order` does.
        """
        self.add(key, order(score, positive, valid))

    def add(self, key: str, ordering: Ordering) -> None:
        """Add one image whose scores are already ordered."""
        metrics = ranking_values(ordering, self.success)
        self._record(key, (ordering.positives, ordering.negatives, *metrics))

    def merge(self, other: Self) -> None:
        """Add the images of another state; an image that is in both states counts once.

        Raises:
            ValueError: the states were created with different `success`, or disagree on an image.
        """
        if self.success != other.success:
            raise ValueError(DIFFERENT_SUCCESS)
        for key, values in other._images.items():
            self._check(key, values)
        self._images |= other._images

    def keys(self) -> list[str]:
        """Return the keys of all images, skipped ones included, in the order in which they were added."""
        return list(self._images)

    def values(self) -> dict[str, RankingValues]:
        """Return the metrics of each image that counts, sorted by key."""
        return {
            key: RankingValues(*row[2:]) for key, row in sorted(self._images.items()) if row[0] and row[1]
        }

    def compute(self) -> RankingMeans:
        """Return the means; NaN where no image counts."""
        counting = self.values()
        nan_keys = tuple(key for key, values in counting.items() if math.isnan(values.auroc))
        means = UNDEFINED
        if counting and not nan_keys:
            # The exact sum does not depend on the order of the images.
            columns = zip(*counting.values(), strict=True)
            means = RankingValues(*(math.fsum(column) / len(counting) for column in columns))
        skipped = len(self._images) - len(counting)
        return RankingMeans(means, len(counting), skipped, nan_keys)

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the state as arrays that `numpy.savez` stores without pickle."""
        columns = 2 + len(RankingValues._fields)  # the numbers of positives and negatives come first
        rows = np.array(list(self._images.values()), np.float64).reshape(-1, columns)
        return {"keys": pack_keys(self._images), "rows": rows, "success": np.array(self.success)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Self:
        """Restore a state from the arrays of `to_arrays`."""
        state = cls(success=bool(arrays["success"]))
        rows = np.asarray(arrays["rows"], np.float64).tolist()
        state._images = {key: tuple(row) for key, row in zip(unpack_keys(arrays["keys"]), rows, strict=True)}
        return state

    def _record(self, key: str, values: tuple[float, ...]) -> None:
        self._check(key, values)
        self._images[key] = values

    def _check(self, key: str, values: tuple[float, ...]) -> None:
        earlier = self._images.get(key)
        if earlier is not None and not np.array_equal(earlier, values, equal_nan=True):
            raise ValueError(
                f"image {key!r} was added before with another result; give every image a key of its own"
            )
