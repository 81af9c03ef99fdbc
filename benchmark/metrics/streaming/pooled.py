"""Ranking metrics over all pixels of a data set together: approximate in bounded memory, or exact."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..brackets import bracket
from ..curve_points import Curve, curve
from ..ordering import Ordering, order
from ..ranking_values import UNDEFINED, RankingValues, ranking_values
from ..risk_coverage import UNDEFINED as UNDEFINED_RISK
from ..risk_coverage import PooledRisk, RiskValues, risk, risk_bracket
from .histogram import ScoreHistogram
from .sample_keys import add_key, add_keys, pack_keys, unpack_keys

Arrays = Mapping[str, NDArray[np.generic]]


class PooledRanking(NamedTuple):
    """The ranking metrics over all scored pixels of a data set together.

    Attributes:
        value: the metrics; NaN where undefined or where a valid score is NaN.
        bound: the largest possible difference of each value from the exact metric, up to rounding in float64.
        images: number of images.
        positives: number of positives in all images.
        negatives: number of negatives in all images.
        nan_keys: keys of the images with a NaN among their valid scores.
    """

    value: RankingValues
    bound: RankingValues
    images: int
    positives: int
    negatives: int
    nan_keys: tuple[str, ...]


class PooledState(Protocol):
    """The interface of both pooled states, which collect a data set image by image."""

    def update(self, key: str, score: ArrayLike, positive: ArrayLike, valid: ArrayLike | None = None) -> None:
        """Add one image; arguments as for `order`.

        Raises:
            ValueError: an image of this key was added before, or as `order` does.
            TypeError: as `order` does.
        """

    def add(self, key: str, ordering: Ordering) -> None:
        """Add one image whose scores are already ordered."""

    def compute(self) -> PooledRanking:
        """Return the metrics of all images."""

    def risk(self) -> PooledRisk:
        """Return the areas under the risk-coverage curves of all images; positives are errors."""

    def merge(self, other: Self) -> None:
        """Add the images of another state, in any order of merges.

        Raises:
            ValueError: an image is in both states; then nothing is changed.
        """

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the state as arrays that `numpy.savez` stores without pickle."""

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """Restore a state from the arrays of `to_arrays`."""


class PooledHistogramState:
    """Computes pooled metrics from a histogram: memory is bounded, and so is the error of each metric.

    The state takes about 180 MiB for scores in [0, 1] and 870 MiB at most (see `ScoreHistogram`), plus the
    keys and some 60 MiB of work space; `to_arrays` needs up to twice that memory for a while. An image cannot
    be taken out of a histogram, so `update` and `merge` refuse an image that was added before.
    """

    def __init__(self) -> None:
        self._images: dict[str, bool] = {}
        self._positives = 0
        self._negatives = 0
        self._histogram = ScoreHistogram()

    def update(self, key: str, score: ArrayLike, positive: ArrayLike, valid: ArrayLike | None = None) -> None:
        """Add one image, as `PooledState.update` says."""
        self.add(key, order(score, positive, valid))

    def add(self, key: str, ordering: Ordering) -> None:
        """Add one image whose scores are already ordered."""
        add_key(self._images, key, ordering.undefined)
        self._positives += ordering.positives
        self._negatives += ordering.negatives
        if ordering.keys.size:
            self._histogram.add(ordering)

    def merge(self, other: Self) -> None:
        """Add the images of another state, as `PooledState.merge` says."""
        add_keys(self._images, other._images)
        self._positives += other._positives
        self._negatives += other._negatives
        self._histogram.merge(other._histogram)

    def compute(self) -> PooledRanking:
        """Return the middle of the range in which each metric must lie, with half the range as its bound."""
        nan_keys = tuple(sorted(key for key, undefined in self._images.items() if undefined))
        value = bound = UNDEFINED
        if not nan_keys:
            low, high = bracket(self._histogram.bins(), self._positives, self._negatives)
            value = RankingValues(*((a + b) / 2 for a, b in zip(low, high, strict=True)))
            bound = RankingValues(*((b - a) / 2 for a, b in zip(low, high, strict=True)))
        return PooledRanking(value, bound, len(self._images), self._positives, self._negatives, nan_keys)

    def curve(self) -> Curve:
        """Return points of the precision-recall and ROC curves; none where `compute` is undefined."""
        bins = () if any(self._images.values()) else self._histogram.bins()
        return curve(bins, self._positives, self._negatives)

    def risk(self) -> PooledRisk:
        """Return the middle of the range in which each area must lie, with half the range as its bound."""
        if any(self._images.values()):
            return PooledRisk(UNDEFINED_RISK, UNDEFINED_RISK)
        ranking = self.compute()
        return risk_bracket(
            self._histogram.bins(),
            self._positives,
            self._negatives,
            ranking.value.auroc,
            ranking.bound.auroc,
        )

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the state as arrays that `numpy.savez` stores without pickle."""
        names, undefined = pack_keys(self._images), np.array(list(self._images.values()), np.bool_)
        totals = np.array([self._positives, self._negatives], np.int64)
        return {"keys": names, "undefined": undefined, "totals": totals, **self._histogram.to_arrays()}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """Restore a state from the arrays of `to_arrays`."""
        state = cls()
        state._images = dict(zip(unpack_keys(arrays["keys"]), arrays["undefined"].tolist(), strict=True))
        state._positives, state._negatives = (int(total) for total in np.asarray(arrays["totals"], np.int64))
        state._histogram = ScoreHistogram.from_arrays(dict(arrays))
        return state


class PooledExactState:
    """Computes exact pooled metrics from every score, with memory that grows with the data set.

    Each valid pixel takes 5 bytes, or 9 where scores are float64: 1,500 images of 720 x 1280 pixels take
    6.5 GiB, and `compute` holds up to five times that for a while. For test sets of that size use
    `PooledHistogramState`.
    """

    def __init__(self) -> None:
        self._images: dict[str, tuple[NDArray[np.floating], NDArray[np.bool_]]] = {}
        self._nan: dict[str, tuple[int, int]] = {}

    def update(self, key: str, score: ArrayLike, positive: ArrayLike, valid: ArrayLike | None = None) -> None:
        """Add one image, as `PooledState.update` says."""
        self.add(key, order(score, positive, valid))

    def add(self, key: str, ordering: Ordering) -> None:
        """Add one image whose scores are already ordered."""
        add_key(self._images, key, (ordering.scores(), ~ordering.negative()))
        if ordering.undefined:
            self._nan[key] = (ordering.positives, ordering.negatives)

    def merge(self, other: Self) -> None:
        """Add the images of another state, as `PooledState.merge` says."""
        add_keys(self._images, other._images)
        self._nan |= other._nan

    def compute(self) -> PooledRanking:
        """Return the exact metrics; every bound is 0."""
        positives = sum(int(truth.sum()) for _, truth in self._images.values())
        negatives = sum(truth.size for _, truth in self._images.values()) - positives
        if self._nan:
            positives += sum(counts[0] for counts in self._nan.values())
            negatives += sum(counts[1] for counts in self._nan.values())
            nan_keys = tuple(sorted(self._nan))
            return PooledRanking(UNDEFINED, UNDEFINED, len(self._images), positives, negatives, nan_keys)
        if not self._images:
            return PooledRanking(UNDEFINED, UNDEFINED, 0, 0, 0, ())
        value = ranking_values(self._ordering())
        # The bound is 0 where the metric is a number, and NaN where it is undefined.
        bound = RankingValues(*(metric - metric for metric in value))
        return PooledRanking(value, bound, len(self._images), positives, negatives, ())

    def risk(self) -> PooledRisk:
        """Return the exact areas; every bound is 0."""
        if self._nan or not self._images:
            return PooledRisk(UNDEFINED_RISK, UNDEFINED_RISK)
        return PooledRisk(risk(self._ordering()), RiskValues(0.0, 0.0, 0.0))

    def _ordering(self) -> Ordering:
        scores, truths = (np.concatenate(part) for part in zip(*self._images.values(), strict=True))
        return order(scores, truths)

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the state as arrays that `numpy.savez` stores without pickle."""
        sizes = np.array([truth.size for _, truth in self._images.values()], np.int64)
        scores = [scores for scores, _ in self._images.values()] or [np.zeros(0, np.float32)]
        truths = [truth for _, truth in self._images.values()] or [np.zeros(0, np.bool_)]
        nan = np.array([self._nan.get(key, (-1, -1)) for key in self._images], np.int64).reshape(-1, 2)
        return {
            "keys": pack_keys(self._images),
            "sizes": sizes,
            "scores": np.concatenate(scores),
            "positive": np.concatenate(truths),
            "nan": nan,
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """Restore a state from the arrays of `to_arrays`."""
        state = cls()
        cuts = np.cumsum(np.asarray(arrays["sizes"], np.int64))[:-1]
        names = unpack_keys(arrays["keys"])
        scores: list[NDArray[np.floating]] = np.split(np.asarray(arrays["scores"]), cuts)
        truths: list[NDArray[np.bool_]] = np.split(np.asarray(arrays["positive"], np.bool_), cuts)
        for row, key in enumerate(names):
            state._images[key] = (scores[row], truths[row])
            positives, negatives = (int(count) for count in np.asarray(arrays["nan"], np.int64)[row])
            if positives >= 0:
                state._nan[key] = (positives, negatives)
        return state
