"""Label maps as networks read them."""

import torch.nn.functional as F
from torch import Tensor

from ...benchmark.interfaces import VOID


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """int64 (B, *spatial) to float32 (B, classes, *spatial), channels last; void is zero in every channel."""
    known = labels != VOID
    hot = F.one_hot(labels.where(known, 0), classes).float() * known[..., None]
    return hot.movedim(-1, 1)


def around(labels: Tensor, share: float | None) -> tuple[slice, ...]:
    """The box around the foreground, the classes from 1 on, for indexing.

    Args:
        labels: int64 (*spatial).
        share: how much further the box reaches at either side, as a part of its length along that axis. The
            whole map for None, and where there is no foreground.
    """
    places = ((labels > 0) & (labels != VOID)).nonzero() if share is not None else labels.new_empty(0)
    if share is None or not len(places):
        return (slice(None),) * labels.ndim
    low, high = places.amin(dim=0), places.amax(dim=0) + 1
    beyond = ((high - low) * share).ceil().long()
    # A slice may end beyond its axis.
    return tuple(map(slice, (low - beyond).clamp_min(0).tolist(), (high + beyond).tolist()))


def resized(labels: Tensor, size: tuple[int, ...]) -> Tensor:
    """int64 (B, *spatial) to (B, *size), by nearest neighbour."""
    if labels.shape[1:] == size:
        return labels
    return F.interpolate(labels[:, None].float(), size, mode="nearest-exact")[:, 0].long()
