"""Label maps as networks read them: one-hot, cropped to the foreground, resized."""

from __future__ import annotations

from collections.abc import Sequence

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


def resized_by_centres(labels: Tensor, size: Sequence[int]) -> Tensor:
    """Resize label maps: each new pixel takes the label at its centre.

    Args:
        labels: int64 (B, *spatial).
        size: lengths of the new axes.

    Returns:
        int64 (B, *size).
    """
    if tuple(labels.shape[1:]) == tuple(size):
        return labels
    return F.interpolate(labels[:, None].float(), tuple(size), mode="nearest-exact")[:, 0].long()


def resized_by_corners(labels: Tensor, size: Sequence[int]) -> Tensor:
    """Resize a label map: each new pixel takes the label at its corner nearest to the origin.

    This is the "nearest" of OpenCV and of torch, by which the published cGAN and comparison network resize.

    Args:
        labels: (*spatial), of any integer type.
        size: lengths of the new axes.

    Returns:
        (*size), of the type of `labels`.
    """
    if tuple(labels.shape) == tuple(size):
        return labels
    small = F.interpolate(labels[None, None].float(), tuple(size), mode="nearest")
    return small[0, 0].to(labels.dtype)
