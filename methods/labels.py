"""Label maps as networks read them."""

import torch.nn.functional as F
from segalarm.benchmark.interfaces import VOID
from torch import Tensor


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """int64 (B, *spatial) to float32 (B, classes, *spatial), channels last; void is zero in every channel."""
    known = labels != VOID
    hot = F.one_hot(labels.where(known, 0), classes).float() * known[..., None]
    return hot.movedim(-1, 1)


def resized(labels: Tensor, size: tuple[int, ...]) -> Tensor:
    """int64 (B, *spatial) to (B, *size), by nearest neighbour."""
    if labels.shape[1:] == size:
        return labels
    return F.interpolate(labels[:, None].float(), size, mode="nearest-exact")[:, 0].long()
