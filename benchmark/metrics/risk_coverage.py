"""Area under the risk-coverage curve: what is wrong among the pixels that a score accepts.

Coverage is the part of the pixels that is accepted, lowest score first; the selective risk is the share of
errors among them, the generalised risk the share of accepted errors among all pixels.
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
    """Areas in [0, 1], lower = better; NaN where undefined.

    `aurc` is the mean over coverages 1/N..1 of the selective risk, `e_aurc` what it exceeds the best order's
    by, `augrc` the area under the generalised risk.
    """

    aurc: float
    augrc: float
    e_aurc: float


class PooledRisk(NamedTuple):
    """`value` is within `bound` of the exact areas."""

    value: RiskValues
    bound: RiskValues


UNDEFINED = RiskValues(_NAN, _NAN, _NAN)


def risk_metrics(score: ArrayLike, error: ArrayLike, valid: ArrayLike | None = None) -> RiskValues:
    """Score one set of pixels.

    Pixels with one score have no order: AURC is its mean over all orders of them, in closed form, so it
    depends neither on rows nor on how a sort breaks ties. AUGRC follows from AUROC, which counts them half.

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
    """Score predicted qualities of images: what is lost (1 - quality) among those that they accept first.

    As for pixels, with risks from 0 to 1 in place of errors: images of one predicted quality have no order,
    and the area is its mean over all orders of them.

    Args:
        predicted: (N,) finite, higher = accepted earlier.
        actual: (N,) quality in [0, 1]; NaN = the image does not count.

    Raises:
        ValueError: the shapes differ, or a quality is out of range.

    Source: as `risk_metrics`; for Dice: Zenk et al., Medical Image Analysis 2025.

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
    """The areas from counts in bins of scores.

    Args:
        chunks: the bins in pieces, highest scores first throughout; positives are errors.
        errors, right: totals over all bins.
        auroc, bound: of the same scores.
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
        # Within a bin of several scores the right pixels may all come first, or all last.
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
    """What accepting groups of tied pixels adds to the sum of selective risks, in the mean over their orders.

    Args:
        e, n: errors (or the sum of risks) and pixels accepted before each group.
        wrong, size: errors (or the sum of risks) and pixels in it.

    With r = wrong / size it is the sum over j = 1..size of (e + r j) / (n + j).
    """
    found = np.zeros(len(size))
    one = size == 1
    found[one] = (e[one] + wrong[one]) / (n[one] + 1)
    many = size > 1
    e, n, wrong, size = e[many], n[many], wrong[many], size[many]
    harmonic = digamma(n + size + 1.0) - digamma(n + 1.0)
    found[many] = wrong + (e - wrong / size * n) * harmonic
    return found


def _risks(area: float, auroc: float, errors: int, right: int) -> RiskValues:
    count = errors + right
    wrong = errors / count
    # With nothing to tell apart, AUROC is undefined, and has no weight.
    confused = (1 - auroc) * wrong * (1 - wrong) if errors and right else 0.0
    last = np.array([0]), np.array([right]), np.array([errors]), np.array([errors])
    best = float(_accepting(*last)[0]) / count
    return RiskValues(area, confused + wrong**2 / 2, area - best)
