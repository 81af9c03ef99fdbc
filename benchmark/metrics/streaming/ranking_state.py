"""Both aggregations of the ranking metrics (per-image means, pooled values) from one sort of each image."""

from collections.abc import Mapping
from typing import Literal, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..ordering import Ordering, order
from ..risk_coverage import PooledRisk
from .per_image import DIFFERENT_SUCCESS, PerImageState, RankingMeans
from .pooled import PooledExactState, PooledHistogramState, PooledRanking, PooledState

Pooling = Literal["histogram", "exact"]


class RankingReport(NamedTuple):
    """Both aggregations of the ranking metrics of a data set."""

    per_image: RankingMeans
    pooled: PooledRanking


class RankingState:
    """Collects a data set image by image, for per-image means and pooled values of the ranking metrics.

    An image may be added once: a key that was added before is refused, and nothing is changed.

    Args:
        success: whether to compute the per-image average precision with negatives as the positive class, too;
            the pooled one is always computed.
        pooling: "histogram" for bounded memory and a bound of the error, "exact" to keep every score.

    Raises:
        ValueError: `pooling` is neither.
    """

    def __init__(self, success: bool = False, pooling: Pooling = "histogram") -> None:
        if pooling not in ("histogram", "exact"):
            raise ValueError(f"`pooling` must be 'histogram' or 'exact', got {pooling!r}")
        self.pooling = pooling
        self._per_image = PerImageState(success)
        self._pooled: PooledState = PooledHistogramState() if pooling == "histogram" else PooledExactState()

    def update(self, key: str, score: ArrayLike, positive: ArrayLike, valid: ArrayLike | None = None) -> None:
        """Add one image; arguments as for `order`.

        Raises:
            ValueError: an image of this key was added before, or as `order` does.
            TypeError: as `order` does.
        """
        self.add(key, order(score, positive, valid))

    def add(self, key: str, ordering: Ordering) -> None:
        """Add one image whose scores are already ordered."""
        self._pooled.add(key, ordering)
        self._per_image.add(key, ordering)

    def merge(self, other: Self) -> None:
        """Add the images of another state, in any order of merges.

        Raises:
            ValueError: an image is in both states, or the states were created with different arguments.
        """
        if self._per_image.success != other._per_image.success:
            raise ValueError(DIFFERENT_SUCCESS)
        if self.pooling != other.pooling:
            raise ValueError(f"cannot merge pooling {other.pooling!r} into pooling {self.pooling!r}")
        self._pooled.merge(other._pooled)
        self._per_image.merge(other._per_image)

    def per_image(self) -> PerImageState:
        """Return the state that holds the metrics of each image."""
        return self._per_image

    def compute(self) -> RankingReport:
        """Return both aggregations."""
        return RankingReport(self._per_image.compute(), self._pooled.compute())

    def risk(self) -> PooledRisk:
        """Return the areas under the risk-coverage curves of all pixels together; positives are errors."""
        return self._pooled.risk()

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the state as arrays that `numpy.savez` stores without pickle."""
        arrays: dict[str, NDArray[np.generic]] = {"pooling": np.array(self.pooling)}
        arrays |= {f"per_image.{name}": array for name, array in self._per_image.to_arrays().items()}
        return arrays | {f"pooled.{name}": array for name, array in self._pooled.to_arrays().items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Self:
        """Restore a state from the arrays of `to_arrays`."""
        per_image = PerImageState.from_arrays(_under("per_image.", arrays))
        state = cls(per_image.success, "exact" if str(arrays["pooling"]) == "exact" else "histogram")
        state._per_image = per_image
        state._pooled = type(state._pooled).from_arrays(_under("pooled.", arrays))
        return state


def _under(prefix: str, arrays: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]:
    return {name.removeprefix(prefix): arrays[name] for name in arrays if name.startswith(prefix)}
