"""A loss registered with mmsegmentation. Import it after `mmcv_ops.install()`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor, nn

from ....interfaces import VOID


@MODELS.register_module()
class PlainCrossEntropy(nn.Module):
    """Cross entropy over all labelled pixels, called as `OhemCrossEntropy` is: without `ignore_index`.

    Args:
        class_weight: a number a class; the mean is weighted by them.
        loss_weight: factor.
        loss_name: under which it is logged.
    """

    def __init__(
        self,
        class_weight: Sequence[float] | None = None,
        loss_weight: float = 1.0,
        loss_name: str = "loss_ce",
    ) -> None:
        super().__init__()
        self.loss_name = loss_name
        self.class_weight = class_weight
        self.loss_weight = loss_weight

    def forward(self, score: Tensor, target: Tensor, **unused: Any) -> Tensor:
        """A scalar; 0 where no pixel is labelled."""
        weight = (
            None if self.class_weight is None else score.new_tensor(self.class_weight, dtype=torch.float32)
        )
        total = F.cross_entropy(score.float(), target, weight, ignore_index=VOID, reduction="sum")
        labelled = target[target != VOID]
        mass = weight[labelled].sum() if weight is not None else labelled.numel()
        return self.loss_weight * total / max(float(mass), 1e-6)
