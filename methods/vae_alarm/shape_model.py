"""The trained VAE as a model of shapes: how well it rebuilds each class of a segmentation."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from ...benchmark.interfaces import Context
from ..building_blocks.label_maps import one_hot
from .vae import VAE, dice_of_iou, elbo, soft_overlap
from .vae_config import VAEConfig
from .vae_training import WEIGHTS, seen_map, train_vae


class ShapeModel:
    """A trained VAE with fixed weights, which says how well it rebuilds a segmentation.

    Args:
        folder: the folder that `train_vae` filled.
        config: the hyper-parameters of the training.
        classes: number of classes L.
        device: the torch device to compute on.
    """

    def __init__(self, folder: Path, config: VAEConfig, classes: int, device: str) -> None:
        state = load_file(folder / WEIGHTS)
        self.size = tuple(int(length) for length in state.pop("size"))
        self.classes = classes
        self.config = config
        self.device = device
        self._vae = VAE(classes, self.size, config)
        self._vae.load_state_dict(state)
        self._vae.to(device).eval()

    @torch.no_grad()
    def loss(self, labels: Tensor) -> Tensor:
        """The loss of label maps int64 (B, *spatial), reconstruction plus divergence: float32 (B,)."""
        reconstruction, divergence, _, _ = self._rebuilt(labels)
        return reconstruction + divergence

    @torch.no_grad()
    def losses(self, labels: Tensor) -> Tensor:
        """The loss of each class: 1 minus its soft Dice, plus the divergence of the code of the whole map.

        Args:
            labels: int64 (B, *spatial).

        Returns:
            float32 (B, L); largest for a class that is not in the map.
        """
        _, divergence, logits, hot = self._rebuilt(labels)
        return 1 - dice_of_iou(soft_overlap(logits, hot)) + divergence[:, None]

    @torch.no_grad()
    def overlap(self, labels: Tensor) -> Tensor:
        """The IoU of the map of each class with its rebuilt probability.

        Args:
            labels: int64 (B, *spatial).

        Returns:
            float32 (B, L) in [0, 1]; 0 for a class that is not in the map.
        """
        _, _, logits, hot = self._rebuilt(labels)
        return soft_overlap(logits, hot)

    def _rebuilt(self, labels: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The results of `elbo`, and the one-hot map that the VAE saw."""
        config = self.config
        seen = torch.cat([seen_map(one, self.size, config.focus) for one in labels.to(self.device)])
        terms = elbo(self._vae, seen, self.classes, config.beta, False, config.reconstruction)
        return *terms, one_hot(seen, self.classes)


def shape_model(config: VAEConfig, context: Context) -> ShapeModel:
    """The VAE of a run, which is trained if it does not exist yet."""
    folder = context.artifact("vae", config, partial(train_vae, config), seed=config.seed)
    classes = len(context.info.classes)
    return context.memo.get(("vae", folder.name), lambda: ShapeModel(folder, config, classes, context.device))
