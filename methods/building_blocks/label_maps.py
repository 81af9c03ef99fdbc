"""Label maps as networks read them: one-hot, and cropped to the foreground."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ...benchmark.interfaces import VOID


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """The one-hot maps of labels, which are zero in every channel on void pixels.

    Args:
        labels: int64 (B, *spatial), 0..classes-1 or `VOID`.
        classes: number of classes.

    Returns:
        float32 (B, classes, *spatial), channels last in memory.
    """
    labelled = labels != VOID
    hot = F.one_hot(labels.where(labelled, 0), classes).float() * labelled[..., None]
    return hot.movedim(-1, 1)


def foreground_box(labels: Tensor, margin: float | None) -> tuple[slice, ...]:
    """The box around the foreground (all classes but the first), as an index.

    Args:
        labels: int64 (*spatial).
        margin: how far the box reaches beyond the foreground at either side, as a part of the foreground's
            length along that axis. None for the whole map.

    Returns:
        One slice per axis. The whole map if there is no foreground.
    """
    places = ((labels > 0) & (labels != VOID)).nonzero() if margin is not None else labels.new_empty(0)
    if margin is None or not len(places):
        return (slice(None),) * labels.ndim
    low, high = places.amin(dim=0), places.amax(dim=0) + 1
    beyond = ((high - low) * margin).ceil().long()
    # A slice may end beyond its axis.
    return tuple(map(slice, (low - beyond).clamp_min(0).tolist(), (high + beyond).tolist()))
