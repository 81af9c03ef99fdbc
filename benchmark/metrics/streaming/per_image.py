"""Ranking metrics image by image, and their mean over a data set."""

import math
from collections.abc import Mapping
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..brackets import RankingValues
from ..ordering import Ordering, order
from ..ranking import rank, rank_success
from .sample_keys import pack_keys, unpack_keys

_NAN = float("nan")


class RankingMeans(NamedTuple):
    """Means over images.

    `images` counted, `skipped` for want of positives or negatives. An image with a NaN among its valid
    scores is counted, so every mean is NaN; `nan_keys` names such images. `ap_success` is NaN unless it was
    asked for.
    """

    value: RankingValues
    images: int
    skipped: int
    nan_keys: tuple[str, ...]


class PerImageState:
    """Each metric per image, then the mean; an image without a positive or without a negative is skipped.

    Keyed by sample: the duplicates that padded distributed samplers send count once, so merging is
    idempotent, and the result does not depend on any order. Memory: a few numbers an image.

    Args:
        success: also the average precision with negatives as the positive class.

    Source: SynthCP, Section 4.2, tables 3 and 4.
    """

    def __init__(self, success: bool = False) -> None:
        self.success = success
        self._images: dict[str, tuple[float, ...]] = {}

    def update(self, key: str, score: ArrayLike, positive: ArrayLike, valid: ArrayLike | None = None) -> None:
        """Add one image; raises as `order` does, and ValueError where the key returns with another result."""
        self.add(key, order(score, positive, valid))

    def add(self, key: str, ordering: Ordering) -> None:
        """Add one image whose scores are already ordered."""
        success = rank_success(ordering) if self.success else _NAN
        self._record(key, (ordering.positives, ordering.negatives, *rank(ordering), success))

    def merge(self, other: Self) -> None:
        """Add the images of another state; images in both must agree (ValueError), and count once."""
        if self.success != other.success:
            raise ValueError(
                "one state holds success AP and the other does not; create both with the same `success`"
            )
        for key, values in other._images.items():
            self._check(key, values)
        self._images |= other._images

    def keys(self) -> list[str]:
        """Return the keys of all images, in the order in which they came."""
        return list(self._images)

    def values(self) -> dict[str, RankingValues]:
        """Return the metrics of each image that counts, sorted by key (for bootstrap intervals, say)."""
        return {
            key: RankingValues(*row[2:]) for key, row in sorted(self._images.items()) if row[0] and row[1]
        }

    def compute(self) -> RankingMeans:
        """Return the means; NaN where no image counts."""
        counted = self.values()
        nan_keys = tuple(key for key, values in counted.items() if math.isnan(values.auroc))
        means = [_NAN] * 4
        if counted and not nan_keys:
            # Exact summation: the mean must not depend on the order of the images.
            means = [math.fsum(column) / len(counted) for column in zip(*counted.values(), strict=True)]
        return RankingMeans(RankingValues(*means), len(counted), len(self._images) - len(counted), nan_keys)

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the state as arrays that `numpy.savez` stores without pickle."""
        rows = np.array(list(self._images.values()), np.float64).reshape(-1, 6)
        return {"keys": pack_keys(self._images), "rows": rows, "success": np.array(self.success)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Self:
        """Restore what `to_arrays` returned."""
        state = cls(success=bool(arrays["success"]))
        rows = np.asarray(arrays["rows"], np.float64).tolist()
        state._images = {key: tuple(row) for key, row in zip(unpack_keys(arrays["keys"]), rows, strict=True)}
        return state

    def _record(self, key: str, values: tuple[float, ...]) -> None:
        self._check(key, values)
        self._images[key] = values

    def _check(self, key: str, values: tuple[float, ...]) -> None:
        known = self._images.get(key)
        if known is not None and not np.array_equal(known, values, equal_nan=True):
            raise ValueError(
                f"image {key!r} was added before with another result; are two images given one key?"
            )
