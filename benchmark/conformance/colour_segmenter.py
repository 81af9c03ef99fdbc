"""A segmenter that needs no training, for trials of methods."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..interfaces import Config, Context, DatasetInfo, Needs, Prediction, Sample, Segmenter
from ..interfaces.errors import BenchError
from ..segmenters.dropout_passes import stable_seed, statistics


class ColourSegmenter(Segmenter):
    """A fixed linear map from the colour of a pixel to its logits.

    It gives everything that `Needs` can ask for; noise on the logits takes the place of dropout.
    """

    def __init__(self, config: Config, dataset: DatasetInfo) -> None:
        super().__init__(config, dataset)
        drawn = np.random.default_rng(0).normal(0, 4, (len(dataset.classes), dataset.channels))
        self._weights = torch.from_numpy(drawn.astype(np.float32))

    def fit(self, samples: Sequence[Sample], context: Context) -> None:
        """Nothing to learn."""

    def save(self, folder: Path) -> None:
        """Nothing to write."""

    def load(self, folder: Path, device: str) -> None:
        """Nothing to read."""

    def load_checkpoint(self, file: Path, device: str) -> None:
        """Refuse every checkpoint."""
        raise BenchError(f"the segmenter 'colour' takes no checkpoint ({file})")

    def predict(self, images: Tensor, keys: Sequence[str], needs: Needs, seed: int) -> list[Prediction]:
        """Segment images by colour alone."""
        return [self._one(image, key, needs, seed) for image, key in zip(images, keys, strict=True)]

    def _one(self, image: Tensor, key: str, needs: Needs, seed: int) -> Prediction:
        generator = torch.Generator().manual_seed(stable_seed(seed, key))
        logits = torch.tensordot(self._weights, image - 0.5, dims=1)

        def draw() -> tuple[Tensor, Tensor]:
            noisy = logits + torch.randn(logits.shape, generator=generator)
            return torch.softmax(noisy, dim=0), noisy

        probabilities = torch.softmax(logits, dim=0)
        confidence, labels = probabilities.max(dim=0)
        return Prediction(
            labels,
            confidence,
            logits.clone() if needs.logits else None,
            probabilities if needs.probabilities else None,
            {features: _features(logits) for features in needs.features},
            (_features(logits),) if needs.branch else (),
            statistics(draw, needs.monte_carlo) if needs.monte_carlo else {},
            torch.stack([draw()[0] for _ in range(needs.ensemble)]) if needs.ensemble else None,
        )


def _features(logits: Tensor) -> Tensor:
    """Feature maps of a quarter of the resolution, whichever layer is asked for."""
    size = [-(-length // 4) for length in logits.shape[1:]]
    pooled = F.interpolate(logits[None], size, mode="area")[0]
    # 1 - pooled, not -pooled: features of a grey volume would all be multiples of two vectors.
    return torch.relu(torch.cat([pooled, 1 - pooled]))
