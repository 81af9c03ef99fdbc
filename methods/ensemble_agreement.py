"""Agreement within an ensemble: mean pairwise Dice (Zenk et al., Medical Image Analysis 2025)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt
from torch import Tensor

from ..benchmark.interfaces import VOID, Context, Item, Scores
from ..benchmark.metrics import per_class_iou
from .ensemble import EnsembleMethod


class EnsembleAgreement(EnsembleMethod):
    """The quality of a class is the mean Dice (of images, IoU) of the members' segmentations of the class."""

    def score(self, batch: Sequence[Item], context: Context) -> list[Scores]:
        """Average the overlap over all pairs of members."""
        return [Scores(quality=mean_pairwise_overlap(self.members_of(item))) for item in batch]


def mean_pairwise_overlap(members: Tensor) -> npt.NDArray[np.float64]:
    """The mean over pairs of members of the Dice (of images, IoU) of each class.

    A pair in which neither member has the class is left out. A class that no member has gets 0, which is its
    true quality wherever the ground truth has the class.

    Args:
        members: float32 (M, L, *spatial), the softmax of M >= 2 members.

    Returns:
        float64 (L,) in [0, 1].
    """
    classes = members.shape[1]
    labels = members.argmax(dim=1).cpu().numpy()
    iou = np.stack([per_class_iou(a, b, classes, VOID, "paper") for a, b in combinations(labels, 2)])
    overlap = 2 * iou / (1 + iou) if labels.ndim == 4 else iou
    counts = (~np.isnan(overlap)).sum(axis=0)
    mean: npt.NDArray[np.float64] = np.nansum(overlap, axis=0) / counts.clip(1)
    return mean
