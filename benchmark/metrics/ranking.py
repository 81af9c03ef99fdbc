"""AUROC, average precision and FPR at 95 % recall of one set of scores; ties are treated exactly."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .ordering import Keys, Ordering, order

RECALL_LEVEL = 0.95
_NAN = float("nan")
# Small enough for the temporaries of a block to stay in the cache.
_BLOCK = 1 << 16

_Indices = NDArray[np.intp]


class Ranking(NamedTuple):
    """How well scores rank positives above negatives: fractions, NaN where undefined."""

    auroc: float
    ap: float
    fpr95: float


def ranking_metrics(score: ArrayLike, positive: ArrayLike, valid: ArrayLike | None = None) -> Ranking:
    """Compute the ranking metrics of one image, or of any other set of pixels.

    - AUROC: the probability that a positive scores above a negative, where a tie counts one half. NaN unless
      there are both positives and negatives.
    - AP (the paper's AUPR): the sum over distinct thresholds of the step in recall times the precision at the
      threshold; the trapezoidal rule is not used. NaN without positives; 1 without negatives.
    - FPR95: the false-positive rate at the threshold whose recall is nearest to 0.95 in float64. The
      candidates are the distinct scores down to the first that reaches recall 1; of several equally near
      candidates the lowest counts. NaN unless there are both positives and negatives.

    All three are NaN where a valid score is NaN, since such a score has no rank.

    Args:
        score: any shape, higher = more positive; see `order` for types.
        positive: bool, the same shape.
        valid: bool, the same shape; false where nothing is scored.

    Raises:
        ValueError, TypeError: as `order` does.

    Source: SynthCP, Section 4.2 (metrics of hendrycks/anomaly-seg).

    >>> ranking_metrics([0.9, 0.8, 0.7, 0.1], [True, False, True, False])
    Ranking(auroc=0.75, ap=0.8333333333333333, fpr95=0.5)
    """
    return rank(order(score, positive, valid))


def success_ap(score: ArrayLike, positive: ArrayLike, valid: ArrayLike | None = None) -> float:
    """Compute the average precision with the negatives as the positive class: the lowest scores rank first.

    Arguments and errors are those of `ranking_metrics`. NaN without negatives.
    """
    return rank_success(order(score, positive, valid))


def rank(ordering: Ordering) -> Ranking:
    """Compute the metrics of `ranking_metrics` from scores that are already ordered."""
    positives, negatives, keys = ordering.positives, ordering.negatives, ordering.keys
    if ordering.undefined or not positives:
        return Ranking(_NAN, _NAN, _NAN)
    if not negatives:
        return Ranking(_NAN, 1.0, _NAN)

    one = keys.dtype.type(1)
    position = np.flatnonzero((keys & one) == 0)
    values = keys[position]
    # The start of each run of positives with equal scores, lowest first: recall changes at these thresholds.
    first = np.concatenate(([0], np.flatnonzero(values[1:] != values[:-1]) + 1))

    # Within a tie positives come first, so the negatives before a positive score strictly below the positive.
    below = int(position.sum()) - positives * (positives - 1) // 2
    auroc = (2 * below + _tied_pairs(keys, position, values, first)) / (2 * positives * negatives)
    return Ranking(
        auroc, _average_precision(position, first, keys.size), _fpr95(ordering, position, values, first)
    )


def rank_success(ordering: Ordering) -> float:
    """Compute `success_ap` from scores that are already ordered."""
    if ordering.undefined or not ordering.negatives:
        return _NAN
    keys, negatives = ordering.keys, ordering.negatives
    total, seen, counted = 0.0, 0, 0
    for begin in range(0, keys.size, _BLOCK):
        position = begin + np.flatnonzero(keys[begin : begin + _BLOCK] & keys.dtype.type(1))
        # Within a tie negatives come last: everything that ties with the last negative of a run precedes it.
        ends = keys[position] != keys.take(position + 1, mode="clip")
        if position.size and position[-1] == keys.size - 1:
            ends[-1] = True
        retrieved = seen + 1 + np.flatnonzero(ends)
        seen += position.size
        if retrieved.size:
            sizes = np.diff(retrieved, prepend=counted)
            counted = int(retrieved[-1])
            total += float((sizes * retrieved / (position[ends] + 1)).sum())
    return total / negatives


def _average_precision(position: _Indices, first: _Indices, count: int) -> float:
    positives = position.size
    if first.size == positives:
        return float(((positives - first) / (count - position)).sum()) / positives
    sizes = np.diff(first, append=positives)
    return float((sizes * (positives - first) / (count - position[first])).sum()) / positives


def _fpr95(ordering: Ordering, position: _Indices, values: Keys, first: _Indices) -> float:
    positives, negatives, keys = ordering.positives, ordering.negatives, ordering.keys
    # Recall falls as thresholds rise, so only thresholds next to the level can be nearest to it.
    near = int(np.searchsorted(first, (1 - RECALL_LEVEL) * positives))
    start = max(near - 2, 0)
    recall = (positives - first[start : near + 3]) / positives
    # `argmin` takes the first of several equally near: the lowest threshold.
    chosen = start + int(np.argmin(np.abs(recall - RECALL_LEVEL)))
    if chosen == 0:
        return (negatives - int(position[0])) / negatives
    # The lowest threshold of this recall lies just above the next lower positive and the negatives that tie
    # with that positive.
    next_lower = values[first[chosen] - 1] | keys.dtype.type(1)
    not_above = int(np.searchsorted(keys, next_lower, side="right")) - int(first[chosen])
    return (negatives - not_above) / negatives


def _tied_pairs(keys: Keys, position: _Indices, values: Keys, first: _Indices) -> int:
    """Count the pairs of a positive and a negative with equal scores."""
    one = keys.dtype.type(1)
    before_end = position[:-1] if position[-1] == keys.size - 1 else position
    last = np.flatnonzero(keys[1:][before_end] == values[: before_end.size] + one)
    if not last.size:
        return 0
    equal_positives = last + 1 - first[np.searchsorted(first, last, side="right") - 1]
    equal_negatives = np.searchsorted(keys, values[last] + one, side="right") - position[last] - 1
    return int((equal_positives * equal_negatives).sum())
