"""The losses of a segmenter of volumes: cross entropy and soft Dice of a batch of patches."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...interfaces import VOID


def patch_losses(
    network: nn.Module, balance: float, batch: tuple[Tensor, Tensor], step: int
) -> dict[str, Tensor]:
    """Compute both losses over the voxels that are not void.

    Args:
        network: (B, C, D, H, W) to logits (B, L, D, H, W).
        balance: A class of n voxels in the batch has the weight n ** -balance in the cross entropy.
        batch: Patches float32 (B, C, D, H, W), and labels int64 (B, D, H, W).
        step: Not used; the training loop passes the step to every loss.

    Returns:
        The scalars `cross_entropy` and `dice`, whose sum is minimised.
    """
    images, labels = batch
    logits = network(images).float()
    labelled = (labels != VOID)[:, None]
    one_hot = F.one_hot(labels.masked_fill(~labelled[:, 0], 0), logits.shape[1])
    truth = one_hot.movedim(-1, 1).float() * labelled
    probabilities = torch.softmax(logits, dim=1) * labelled
    axes = (0, *range(2, logits.ndim))
    count = truth.sum(axes)
    # Without weights a tumour of a hundredth of the voxels is not predicted for thousands of steps.
    weight = count.clamp(min=1) ** -balance
    entropy = F.cross_entropy(logits, labels, weight, ignore_index=VOID, reduction="sum")
    mass = (weight * count).sum().clamp(min=1e-6)
    # Dice is taken over the whole batch and without the background. Because 1 is added to both terms, the
    # prediction of a structure that no patch holds is still pushed towards zero.
    overlap = 2 * (probabilities * truth).sum(axes)[1:] + 1
    total = (probabilities + truth).sum(axes)[1:] + 1
    return {"cross_entropy": entropy / mass, "dice": 1 - (overlap / total).mean()}
