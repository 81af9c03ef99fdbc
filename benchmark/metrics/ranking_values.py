"""All ranking metrics of one set of scores. A new ranking metric is a new field here."""

from typing import NamedTuple

from .ordering import Ordering
from .ranking import rank, rank_success

_NAN = float("nan")


class RankingValues(NamedTuple):
    """The ranking metrics, fractions; NaN where undefined.

    `ap_success` is the average precision with the negatives as the positive class.
    """

    auroc: float
    ap: float
    fpr95: float
    ap_success: float


UNDEFINED = RankingValues(*[_NAN] * len(RankingValues._fields))
"""Every metric is NaN."""


def ranking_values(ordering: Ordering, success: bool = True) -> RankingValues:
    """Compute every ranking metric from scores that are already ordered.

    Args:
        ordering: the scored pixels of one image, or of several images together.
        success: whether to compute `ap_success`, which takes about as long as the others; NaN if not.
    """
    ranking = rank(ordering)
    return RankingValues(
        auroc=ranking.auroc,
        ap=ranking.ap,
        fpr95=ranking.fpr95,
        ap_success=rank_success(ordering) if success else _NAN,
    )
