"""Brackets of ranking metrics: the range in which a metric must lie when only a histogram of scores is known.

Inside a bin that mixes several scores their order is unknown, and the best and the worst order bound each
metric. A bin that holds one distinct score is a plain tie and adds no uncertainty.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .ranking import RECALL_LEVEL
from .ranking_values import RankingValues

_NAN = float("nan")
Counts = NDArray[np.int64]


class Bins(NamedTuple):
    """Consecutive bins of a histogram, highest scores first; no bin is empty.

    Attributes:
        positive: int64 (n,), the number of positives in each bin.
        negative: int64 (n,), the number of negatives in each bin.
        single: bool (n,), true where the bin holds one distinct score.
    """

    positive: Counts
    negative: Counts
    single: NDArray[np.bool_]


def bracket(chunks: Iterable[Bins], positives: int, negatives: int) -> tuple[RankingValues, RankingValues]:
    """Return the lowest and the highest value that each metric may have.

    A metric that is undefined for want of positives or negatives is NaN in both.

    Args:
        chunks: the bins in pieces, highest scores first throughout.
        positives: number of positives in all bins.
        negatives: number of negatives in all bins.
    """
    if not positives or not negatives:
        ap, ap_success = (1.0 if positives else _NAN), (1.0 if negatives else _NAN)
        undefined = RankingValues(auroc=_NAN, ap=ap, fpr95=_NAN, ap_success=ap_success)
        return undefined, undefined
    fpr = _FprBracket(positives, negatives)
    all_pairs = 2 * positives * negatives
    # Pairs are counted exactly, as integers, as long as 64 bits hold their number.
    number = np.int64 if all_pairs <= np.iinfo(np.int64).max else np.float64
    pairs = mixed_pairs = 0.0 if number is np.float64 else 0
    precision_sums = np.zeros(4)
    true_positives = false_positives = 0
    for positive, negative, single in chunks:
        above_positive = true_positives + np.cumsum(positive) - positive
        above_negative = false_positives + np.cumsum(negative) - negative
        below_positive = positives - above_positive - positive
        below_negative = negatives - above_negative - negative
        weight = positive.astype(number, copy=False)
        pairs += (weight * (2 * below_negative + negative)).sum().item()
        mixed_pairs += (weight * negative)[~single].sum().item()
        precision_sums[:2] += _precision_bounds(positive, negative, single, above_positive, above_negative)
        precision_sums[2:] += _precision_bounds(negative, positive, single, below_negative, below_positive)
        fpr.add(positive, negative, single, above_positive, above_negative)
        true_positives += int(positive.sum())
        false_positives += int(negative.sum())
    low_fpr, high_fpr = fpr.bounds()
    low_ap, high_ap = precision_sums[:2] / positives
    low_success, high_success = precision_sums[2:] / negatives
    return (
        RankingValues(
            auroc=(pairs - mixed_pairs) / all_pairs,
            ap=float(low_ap),
            fpr95=low_fpr,
            ap_success=float(low_success),
        ),
        RankingValues(
            auroc=(pairs + mixed_pairs) / all_pairs,
            ap=float(high_ap),
            fpr95=high_fpr,
            ap_success=float(high_success),
        ),
    )


def _precision_bounds(
    relevant: Counts, other: Counts, single: NDArray[np.bool_], before: Counts, before_other: Counts
) -> tuple[float, float]:
    """Bound from below and above the sum of the precisions at the thresholds of all relevant items.

    In the best order, the relevant items of a bin tie ahead of the other items. In the worst order, the other
    items come first and the relevant items follow one by one, so that the precision at the i-th is
    (before + i) / (before + i + others so far). This precision is concave in i, so the chord between the
    first and the last term bounds the sum from below.
    """
    kept = relevant > 0
    relevant, other, single = relevant[kept], other[kept], single[kept]
    before, before_other = before[kept], before_other[kept]
    hits, misses = before + relevant, before_other + other
    tie = hits / (hits + misses)
    best = np.where(single, tie, hits / (hits + before_other))
    worst = np.where(single, tie, ((before + 1) / (before + 1 + misses) + tie) / 2)
    return float((relevant * worst).sum()), float((relevant * best).sum())


@dataclass
class _FprBracket:
    """Bounds FPR95: follows the bins to where recall passes 95 %, and on to the next bin with positives.

    Attributes:
        positives, negatives: totals over all bins.
        low, high: bounds of the number of false positives; `low` is None until recall passes the level.
        awaits_next: whether a bound depends on the next bin with positives.
    """

    positives: int
    negatives: int
    low: int | None = None
    high: int = 0
    awaits_next: bool = False

    def add(
        self,
        positive: Counts,
        negative: Counts,
        single: NDArray[np.bool_],
        above: Counts,
        above_negative: Counts,
    ) -> None:
        if self.low is not None and not self.awaits_next:
            return
        rows = np.flatnonzero(positive)
        if self.low is None:
            passed = np.flatnonzero((above + positive)[rows] / self.positives >= RECALL_LEVEL)
            if not passed.size:
                return
            rows = rows[passed[0] :]
            row, rows = rows[0], rows[1:]
            self._start(
                int(positive[row]),
                int(negative[row]),
                bool(single[row]),
                int(above[row]),
                above_negative[row],
            )
        if self.awaits_next and rows.size:
            # The chosen threshold lies just above the next lower positive; its place in this bin is unknown.
            row = rows[0]
            reach = int(above_negative[row])
            self.low = reach if self.low is None or self.low < 0 else self.low
            self.high = max(self.high, reach + (0 if single[row] else int(negative[row])))
            self.awaits_next = False

    def _start(self, positive: int, negative: int, single: bool, above: int, above_negative: int) -> None:
        above_negative = int(above_negative)
        before = abs(above / self.positives - RECALL_LEVEL)
        after = abs((above + positive) / self.positives - RECALL_LEVEL)
        takes_bin = after <= before
        recall_is_known = single or positive == 1
        uncertain = 0 if single else negative
        if recall_is_known and not takes_bin:
            self.low, self.high = above_negative, above_negative + uncertain
        elif takes_bin and above + positive == self.positives:
            self.low = above_negative + (negative if single else 0)
            self.high = above_negative + negative
        elif takes_bin:
            # With -1 the lower bound, too, is known only at the next bin with positives.
            self.low = -1 if recall_is_known else above_negative
            self.high = above_negative + negative
            self.awaits_next = True
        else:
            self.low, self.high = above_negative, above_negative + uncertain

    def bounds(self) -> tuple[float, float]:
        if self.low is None:
            return _NAN, _NAN
        return self.low / self.negatives, self.high / self.negatives
