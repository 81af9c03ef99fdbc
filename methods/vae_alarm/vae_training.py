"""The training of the VAE, on the ground truth of the training split alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...benchmark.data.selection import shuffled
from ...benchmark.interfaces import Context, Labels, Sample
from ...benchmark.interfaces.errors import BenchError
from ...benchmark.training import Objective, poly, seed_everything, train
from ...benchmark.weights.checkpoints import save_weights
from ..building_blocks.label_maps import foreground_box, resized_by_centres
from ..building_blocks.layers_and_resizing import Size
from ..building_blocks.training_draws import is_mirrored, number_of_steps
from .vae import VAE, elbo
from .vae_config import VAEConfig, map_size

WEIGHTS = "vae.safetensors"


def train_vae(config: VAEConfig, folder: Path, context: Context) -> None:
    """Train the VAE on the ground truth of the run's training split, and write its weights below `folder`.

    Raises:
        BenchError: there are no training samples.
    """
    if not len(context.train):
        raise BenchError("the VAE needs a training split, and the data set has none")
    size = map_size(config, context.train[0].truth.label.shape)
    classes = len(context.info.classes)
    seed_everything(context.seed)
    vae = VAE(classes, size, config)
    steps = number_of_steps(config.steps, config.epochs, len(context.train), config.batch_size)
    optimizer = torch.optim.Adam(vae.parameters(), lr=config.learning_rate)

    def losses(batch: Tensor, step: int) -> dict[str, Tensor]:
        reconstruction, divergence, _ = elbo(
            vae, batch, classes, config.beta, sample=True, reconstruction=config.reconstruction
        )
        return {"reconstruction": reconstruction.mean(), "divergence": divergence.mean()}

    train(
        "train vae",
        {"vae": vae},
        [Objective(optimizer, losses, poly(steps))],
        LabelMapBatches(context.train, size, config.batch_size, config.flip, config.seed, config.focus),
        steps,
        context,
    )
    save_weights(vae, folder / WEIGHTS, size=torch.tensor(size))


@dataclass(frozen=True)
class LabelMapBatches:
    """Batches of ground truth: `batches(n)` gives the n-th, int64 (B, *size), void where nothing is scored.

    Attributes:
        samples: the training samples.
        size: the size that the VAE sees.
        flip: whether to mirror label maps at random.
        seed: of order and mirroring.
        focus: see `VAEConfig`.
    """

    samples: Sequence[Sample]
    size: Size
    batch_size: int
    flip: bool
    seed: int
    focus: float | None = None

    def __call__(self, number: int) -> Labels:
        """The batch of a number, from 0."""
        first = number * self.batch_size
        return np.stack([self._label_map(first + slot) for slot in range(self.batch_size)])

    def _label_map(self, position: int) -> Labels:
        truth = self.samples[shuffled(position, len(self.samples), self.seed, 5)].truth
        small = seen_map(torch.from_numpy(truth.scored), self.size, self.focus)[0].numpy()
        if self.flip and is_mirrored(position, self.seed, 6):
            small = small[..., ::-1]
        return np.ascontiguousarray(small)


def seen_map(labels: Tensor, size: Size, focus: float | None) -> Tensor:
    """A label map as the VAE sees it: cropped to its foreground and resized.

    Args:
        labels: int64 (*spatial).
        size: size of the result.
        focus: see `VAEConfig`.

    Returns:
        int64 (1, *size).
    """
    return resized_by_centres(labels[foreground_box(labels, focus)][None], size)
