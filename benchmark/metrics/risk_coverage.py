"""Areas under risk-coverage curves: how many errors remain among the pixels that a score accepts.

Pixels are accepted in the order of their scores, lowest first. Coverage is the share of all pixels that are
accepted. The selective risk is the share of errors among the accepted pixels, and the generalised risk is the
share of accepted errors among all pixels.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import digamma

from .brackets import Bins
from .ordering import Ordering, order
from .ranking import rank

_NAN = float("nan")
_Counts = NDArray[np.int64]
_Sums = NDArray[np.int64] | NDArray[np.float64]


class RiskValues(NamedTuple):
    """Areas under risk-coverage curves, in [0, 1], lower = better; NaN where undefined.

    Attributes:
        aurc: the mean of the selective risk over the coverages 1/N, 2/N, ..., 1.
        augrc: the area under the generalised risk.
        e_aurc: the excess of `aurc` over that of the best possible order.
    """

    aurc: float
    augrc: float
    e_aurc: float


class PooledRisk(NamedTuple):
    """The areas of a whole data set; each `value` is within its `bound` of the exact area."""

    value: RiskValues
    bound: RiskValues


UNDEFINED = RiskValues(_NAN, _NAN, _NAN)


def risk_metrics(score: ArrayLike, error: ArrayLike, valid: ArrayLike | None = None) -> RiskValues:
    """Compute the areas of one image, or of any other set of pixels.

    Pixels with equal scores have no order. AURC is the mean over all their orders, in closed form, so that it
    depends neither on the places of pixels nor on how a sort breaks ties. AUGRC follows from AUROC, which
    counts ties half.

    Args:
        score: any shape, higher = more likely wrong; see `order` for types.
        error: bool, the same shape.
        valid: bool, the same shape; false where nothing is scored.

    Raises:
        ValueError, TypeError: as `order` does.

    Source: Geifman et al., ICLR 2019 (AURC, E-AURC); Traub et al., NeurIPS 2024, Eq. 6 (AUGRC).

    >>> risk_metrics([0.1, 0.2, 0.9], [False, False, True])
    RiskValues(aurc=0.1111111111111111, augrc=0.05555555555555555, e_aurc=0.0)
    """
    return risk(order(score, error, valid))


def risk(ordering: Ordering) -> RiskValues:
    """Compute `risk_metrics` from scores that are already ordered."""
    keys, errors, right = ordering.keys, ordering.positives, ordering.negatives
    count = errors + right
    if ordering.undefined or not count:
        return UNDEFINED
    codes = keys >> keys.dtype.type(1)
    last = np.append(np.flatnonzero(codes[1:] != codes[:-1]), count - 1)
    seen = last + 1
    wrong = np.cumsum(~ordering.negative())[last]
    size, tied = np.diff(seen, prepend=0), np.diff(wrong, prepend=0)
    area = float(_accepting(wrong - tied, seen - size, tied, size).sum()) / count
    return _risks(area, rank(ordering).auroc, errors, right)


def quality_risk(predicted: ArrayLike, actual: ArrayLike) -> RiskValues:
    """Compute the areas of a set of images that are accepted in the order of their predicted qualities.

    The risk of an image is the quality that it lacks (1 - quality), in place of the errors of pixels. Images
    with equal predicted qualities have no order, and the area is the mean over all their orders.

    Args:
        predicted: (N,), finite, higher = accepted earlier.
        actual: (N,), quality in [0, 1]; NaN = the image does not count.

    Raises:
        ValueError: the shapes differ, or a quality is out of range.

    Source: that of `risk_metrics`; for Dice: Zenk et al., Medical Image Analysis 2025.

    >>> quality_risk([0.9, 0.5], [1.0, 0.5])
    RiskValues(aurc=0.125, augrc=0.0625, e_aurc=0.0)
    """
    forecast, quality = np.asarray(predicted, np.float64), np.asarray(actual, np.float64)
    if forecast.shape != quality.shape or forecast.ndim != 1:
        raise ValueError(f"expected two arrays (N,), got {forecast.shape} and {quality.shape}")
    counts = ~np.isnan(quality)
    forecast, lost = forecast[counts], 1 - quality[counts]
    if not lost.size or not np.isfinite(forecast).all():
        return UNDEFINED
    if not ((lost >= 0) & (lost <= 1)).all():
        raise ValueError("a quality lies outside [0, 1]")
    _, group, size = np.unique(-forecast, return_inverse=True, return_counts=True)
    tied = np.bincount(group, lost)
    before, seen = np.cumsum(tied) - tied, np.cumsum(size) - size
    count = lost.size
    area = float(_accepting(before, seen, tied, size).sum()) / count
    best = float((np.cumsum(np.sort(lost)) / np.arange(1, count + 1)).sum()) / count
    # The generalised risk rises linearly within a group, whatever its order is in the mean.
    generalised = float((size * (before + tied / 2)).sum()) / count**2
    return RiskValues(area, generalised, area - best)


def risk_bracket(chunks: Iterable[Bins], errors: int, right: int, auroc: float, bound: float) -> PooledRisk:
    """Compute the areas from the bins of a histogram: the middle of the range in which each must lie.

    Args:
        chunks: the bins in pieces, highest scores first throughout; errors are the positives.
        errors: number of wrong pixels in all bins.
        right: number of right pixels in all bins.
        auroc: of the same scores.
        bound: how far `auroc` may be from the exact value.
    """
    count = errors + right
    if not count:
        return PooledRisk(UNDEFINED, UNDEFINED)
    low = high = 0.0
    above = above_wrong = 0
    for positive, negative, single in chunks:
        size = positive + negative
        n = count - above - np.cumsum(size)
        e = errors - above_wrong - np.cumsum(positive)
        tie = _accepting(e, n, positive, size)
        zero = np.zeros_like(positive)
        # In a bin of several scores the right pixels come first in the best order, and last in the worst.
        best = _accepting(e, n, zero, negative) + _accepting(e, n + negative, positive, positive)
        worst = _accepting(e, n, positive, positive) + _accepting(e + positive, n + positive, zero, negative)
        low += float(np.where(single, tie, best).sum())
        high += float(np.where(single, tie, worst).sum())
        above += int(size.sum())
        above_wrong += int(positive.sum())
    value = _risks((low + high) / 2 / count, auroc, errors, right)
    off = (high - low) / 2 / count
    both = errors / count * (right / count)
    return PooledRisk(value, RiskValues(off, bound * both if both else 0.0, off))


def _accepting(e: _Sums, n: _Counts, wrong: _Sums, size: _Counts) -> NDArray[np.float64]:
    """Return how much accepting each group of tied pixels adds to the sum of selective risks.

    With r = wrong / size a group adds the sum over j = 1..size of (e + r j) / (n + j), the mean over all
    orders of its pixels.

    Args:
        e: errors (or the sum of risks) accepted before each group.
        n: pixels accepted before each group.
        wrong: errors (or the sum of risks) in each group.
        size: pixels in each group.
    """
    added = np.zeros(len(size))
    one = size == 1
    added[one] = (e[one] + wrong[one]) / (n[one] + 1)
    many = size > 1
    e, n, wrong, size = e[many], n[many], wrong[many], size[many]
    harmonic = digamma(n + size + 1.0) - digamma(n + 1.0)
    added[many] = wrong + (e - wrong / size * n) * harmonic
    return added


def _risks(area: float, auroc: float, errors: int, right: int) -> RiskValues:
    """Complete AURC (`area`) with the areas that follow from AUROC and the numbers of pixels."""
    count = errors + right
    wrong = errors / count
    # Without both kinds of pixels AUROC is undefined, and has no weight.
    confused = (1 - auroc) * wrong * (1 - wrong) if errors and right else 0.0
    # The best order accepts all right pixels before the errors.
    errors_last = np.array([0]), np.array([right]), np.array([errors]), np.array([errors])
    best = float(_accepting(*errors_last)[0]) / count
    return RiskValues(area, confused + wrong**2 / 2, area - best)
