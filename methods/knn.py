"""Distance to deep nearest neighbours, at every pixel.

Sun et al., "Out-of-distribution detection with deep nearest neighbors", ICML 2022. Galesso et al., "Far away
in the deep space", 2023, apply the distance to segmentation.
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
"""Training features that are compared at a time."""


class KNNConfig(FeatureConfig):
    """Hyper-parameters.

    Attributes:
        k: the neighbour whose distance is the score; 1 for the nearest.
        patches: number of training features to keep, evenly from all images.
        balanced: whether every class of an image has the same chance to be drawn. Otherwise every pixel has.
    """

    k: int = Field(3, ge=1)
    patches: int = Field(10_000, ge=1)
    balanced: bool = False


class KNN(FeatureAlarm):
    """The score of a pixel is the distance of its normalised features to the k-th nearest of training."""

    Config = KNNConfig
    config: KNNConfig

    @classmethod
    def defaults(cls, preset: Preset, protocol: Protocol, dataset: DatasetInfo) -> dict[str, Any]:
        """More training features at `full`, where a GPU compares them."""
        more = {"patches": 100_000} if preset is Preset.FULL else {}
        return {**super().defaults(preset, protocol, dataset), **more}

    def fit_key(self) -> dict[str, Any]:
        """All hyper-parameters but k, which only `score` reads."""
        return self.config.model_dump(mode="json", exclude={"k"})

    def learn(self, pairs: Pairs, context: Context) -> dict[str, Tensor]:
        """Keep normalised features of training pixels, as many from each image."""
        config = self.config
        per_image = -(-config.patches // len(pairs))
        drawn = training_features(pairs, self.features, per_image, config.balanced, "knn: features", context)
        kept = torch.cat([F.normalize(features, dim=1) for features, _ in drawn])
        # Rounding up per image may give more features than `patches`.
        rows = torch.linspace(0, len(kept) - 1, min(config.patches, len(kept))).round().long()
        return {"patches": kept[rows.to(kept.device)]}

    def distances(self, features: Tensor) -> Tensor:
        """|z - z_(k)| of feature vectors, float32 (n, C) to (n,), in [0, 2].

        z is the normalised feature vector, and z_(k) its k-th nearest neighbour.
        """
        patches = self.learned["patches"]
        k = min(self.config.k, len(patches))
        z = F.normalize(features, dim=1)
        nearest = z.new_empty(len(z), 0)
        for start in range(0, len(patches), BLOCK):
            cosines = z @ patches[start : start + BLOCK].T
            nearest_of_block = cosines.topk(min(k, cosines.shape[1]), dim=1, sorted=False).values
            nearest = torch.cat([nearest, nearest_of_block], dim=1)
            nearest = nearest.topk(min(k, nearest.shape[1]), dim=1).values
        # |a - b|² = 2 - 2 <a, b> for vectors of length 1.
        return (2 - 2 * nearest[:, -1]).clamp_min(0).sqrt()
