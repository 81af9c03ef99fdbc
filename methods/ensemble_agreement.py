"""Agreement within an ensemble: mean pairwise Dice (Zenk et al., Medical Image Analysis 2025)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt
from torch import Tensor

from ..benchmark.interfaces import VOID, Context, Item, Scores
from ..benchmark.metrics import per_class_iou
from .ensemble import OfMembers


class EnsembleAgreement(OfMembers):
    """The quality of each class is how well the members' segmentations of it overlap."""

    def score(self, batch: Sequence[Item], context: Context) -> list[Scores]:
        """Mean Dice (in images IoU) over all pairs of members."""
        found = []
        for item in batch:
            assert item.prediction.members is not None
            found.append(Scores(quality=agreement(item.prediction.members[: self.config.members])))
        return found


def agreement(members: Tensor) -> npt.NDArray[np.float64]:
    """The mean over pairs of members of the Dice (of images: IoU) of each class, float64 (L,) in [0, 1].

    A pair that lacks a class says nothing of it. A class that no member has is 0, as it is wherever the label
    has it.

    Args:
        members: float32 (M, L, *spatial), M at least 2.
    """
    classes = members.shape[1]
    labels = members.argmax(dim=1).cpu().numpy()
    iou = np.stack([per_class_iou(a, b, classes, VOID, "paper") for a, b in combinations(labels, 2)])
    overlap = 2 * iou / (1 + iou) if labels.ndim == 4 else iou
    counts = (~np.isnan(overlap)).sum(axis=0)
    found: npt.NDArray[np.float64] = np.nansum(overlap, axis=0) / counts.clip(1)
    return found
