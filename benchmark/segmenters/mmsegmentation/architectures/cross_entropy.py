"""Cross entropy over all labelled pixels, registered with mmsegmentation.

To be imported after `make_mmseg_importable()`.
"""

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
    """The mean cross entropy over all labelled pixels.

    Heads call the loss as they call mmsegmentation's `OhemCrossEntropy`, with or without `ignore_index`.

    Args:
        class_weight: A weight for every class, for a weighted mean; None for equal weights.
        loss_weight: Factor on the loss.
        loss_name: Name under which the loss is logged.
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
        """Compute the loss of logits (B, L, H, W) and labels (B, H, W); 0 where no pixel is labelled."""
        weight = (
            None if self.class_weight is None else score.new_tensor(self.class_weight, dtype=torch.float32)
        )
        total = F.cross_entropy(score.float(), target, weight, ignore_index=VOID, reduction="sum")
        labelled = target[target != VOID]
        mass = weight[labelled].sum() if weight is not None else labelled.numel()
        return self.loss_weight * total / max(float(mass), 1e-6)
