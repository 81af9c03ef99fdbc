"""What the training of an mmsegmentation network minimises: the network's own losses, and the optimizer."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...interfaces import VOID
from .construction.network_building import Normalise
from .hyper_parameters import MMSegConfig

EDGE_WIDTH = 4
"""Width in pixels of the class boundaries that PIDNet learns, as in its config."""


def network_losses(
    network: Any, normalise: Normalise, batch: tuple[Tensor, Tensor], step: int
) -> dict[str, Tensor]:
    """Compute the losses that the network's config defines.

    Args:
        network: An encoder-decoder of mmsegmentation.
        normalise: The normalisation of its input.
        batch: Images float32 (B, 3, H, W), RGB in [0, 1], and labels int64 (B, H, W).
        step: Not used; the training loop passes the step to every loss.

    Returns:
        Scalars whose sum is minimised.
    """
    images, labels = batch
    outputs = network.loss(normalise(images), _data_samples(network, labels))
    return {
        key: torch.stack(tuple(value)).sum() if isinstance(value, list | tuple) else value
        for key, value in outputs.items()
        if "loss" in key  # mmsegmentation also returns accuracies, which are not minimised
    }


def make_optimizer(network: nn.Module, settings: MMSegConfig) -> torch.optim.Optimizer:
    """Make the optimizer. Heads learn faster by `head_rate`, and norms and biases have no weight decay."""
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for key, parameter in network.named_parameters():
        if parameter.requires_grad:
            groups.setdefault(("head" in key.partition(".")[0], parameter.ndim > 1), []).append(parameter)
    options = [
        {
            "params": parameters,
            "lr": settings.learning_rate * (settings.head_rate if in_head else 1.0),
            "weight_decay": settings.weight_decay if is_matrix else 0.0,
        }
        for (in_head, is_matrix), parameters in groups.items()
    ]
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(options, lr=settings.learning_rate, fused=True)
    return torch.optim.SGD(options, lr=settings.learning_rate, momentum=settings.momentum, fused=True)


def _data_samples(network: Any, labels: Tensor) -> list[Any]:
    """Wrap labels (B, H, W) as mmsegmentation's losses read them; PIDNet also reads class boundaries."""
    from mmengine.structures import PixelData
    from mmseg.datasets.transforms import GenerateEdge
    from mmseg.structures import SegDataSample

    shape = tuple(labels.shape[1:])
    edges = GenerateEdge(EDGE_WIDTH, VOID) if type(network.decode_head).__name__ == "PIDHead" else None
    samples = []
    for label in labels:
        sample = SegDataSample(metainfo={"img_shape": shape, "pad_shape": shape, "ori_shape": shape})
        sample.gt_sem_seg = PixelData(data=label[None])
        if edges is not None:
            edge = edges.transform({"img_shape": shape, "gt_seg_map": label.cpu().numpy()})["gt_edge_map"]
            sample.gt_edge_map = PixelData(
                data=torch.from_numpy(edge.astype(np.int64))[None].to(label.device)
            )
        samples.append(sample)
    return samples
