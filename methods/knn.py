"""Distance to deep nearest neighbours, at every pixel.

Sun et al., "Out-of-distribution detection with deep nearest neighbors", ICML 2022; for segmentation Galesso
et al., "Far away in the deep space", 2023, who compare patches likewise.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from ..benchmark.interfaces import Context, DatasetInfo, Pairs, Preset, Protocol
from .building_blocks.feature_alarm import FeatureAlarm, FeatureConfig, training_features

BLOCK = 8192
"""Training patches that are compared at a time."""


class KNNConfig(FeatureConfig):
    """Hyper-parameters.

    Attributes:
        k: which nearest neighbour.
        patches: training features that are kept, evenly from all images.
        balanced: within an image every class has the same chance to be drawn; otherwise every pixel.
    """

    k: int = Field(3, ge=1)
    patches: int = Field(10_000, ge=1)
    balanced: bool = False


class KNN(FeatureAlarm):
    """Score a pixel by the distance of its normalised feature to the k-th nearest of training."""

    Config = KNNConfig
    config: KNNConfig

    @classmethod
    def defaults(cls, preset: Preset, protocol: Protocol, dataset: DatasetInfo) -> dict[str, Any]:
        """More patches where a GPU compares them."""
        more = {"patches": 100_000} if preset is Preset.FULL else {}
        return {**super().defaults(preset, protocol, dataset), **more}

    def fit_key(self) -> dict[str, Any]:
        """Which neighbour counts is read by scoring alone."""
        return self.config.model_dump(mode="json", exclude={"k"})

    def learn(self, pairs: Pairs, context: Context) -> dict[str, Tensor]:
        """Normalised features of training pixels, as many from each image."""
        config = self.config
        each = -(-config.patches // len(pairs))
        found = training_features(pairs, self.features, each, config.balanced, "knn: features", context)
        kept = torch.cat([F.normalize(features, dim=1) for features, _ in found])
        # Evenly from all images, where these are more than patches.
        rows = torch.linspace(0, len(kept) - 1, min(config.patches, len(kept))).round().long()
        return {"patches": kept[rows.to(kept.device)]}

    def distances(self, features: Tensor) -> Tensor:
        """|z - z_(k)|, z the normalised feature and z_(k) its k-th nearest neighbour: in [0, 2]."""
        patches = self.learned["patches"]
        k = min(self.config.k, len(patches))
        seen = F.normalize(features, dim=1)
        best = seen.new_empty(len(seen), 0)
        for start in range(0, len(patches), BLOCK):
            cosines = seen @ patches[start : start + BLOCK].T
            nearest = cosines.topk(min(k, cosines.shape[1]), dim=1, sorted=False).values
            best = torch.cat([best, nearest], dim=1)
            best = best.topk(min(k, best.shape[1]), dim=1).values
        # |a - b|² = 2 - 2 <a, b> for vectors of length 1.
        return (2 - 2 * best[:, -1]).clamp_min(0).sqrt()
