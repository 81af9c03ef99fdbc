"""Mahalanobis distance of features, at every pixel.

Lee et al., "A simple unified framework for detecting out-of-distribution samples and adversarial attacks",
NeurIPS 2018, Eq. 1 and 2.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from ..benchmark.interfaces import Context, Pairs
from .building_blocks.feature_alarm import FeatureAlarm, FeatureConfig, training_features

TINY = 1e-12


class MahalanobisConfig(FeatureConfig):
    """Hyper-parameters.

    Attributes:
        pixels: training pixels an image, drawn at random.
        ridge: added to the variances, as a part of their mean: features that never vary have none.
    """

    pixels: int = Field(2000, ge=1)
    ridge: float = Field(1e-4, gt=0)


class Mahalanobis(FeatureAlarm):
    """Score a pixel by min over classes of (f - μ_c)ᵀ Σ⁻¹ (f - μ_c)."""

    Config = MahalanobisConfig
    config: MahalanobisConfig

    def learn(self, pairs: Pairs, context: Context) -> dict[str, Tensor]:
        """Each class' mean and the covariance that all share, in whitened coordinates."""
        found = training_features(
            pairs, self.features, self.config.pixels, False, "mahalanobis: features", context
        )
        first = next(found)
        gaussians = Gaussians(len(context.info.classes), first[0].mean(dim=0))
        gaussians.add(*first)
        for features, labels in found:
            gaussians.add(features, labels)
        whitening = whitened(gaussians.covariance, self.config.ridge)
        means = gaussians.means[gaussians.count > 0] @ whitening.T
        return {"whitening": whitening.float(), "means": means.float(), "centre": gaussians.centre}

    def distances(self, features: Tensor) -> Tensor:
        """The squared distance to the nearest class."""
        seen = (features - self.learned["centre"]) @ self.learned["whitening"].T
        # The faster |a|² - 2ab + |b|² cancels.
        each = torch.cdist(seen, self.learned["means"], compute_mode="donot_use_mm_for_euclid_dist")
        nearest: Tensor = each.amin(dim=1).square()
        return nearest


class Gaussians:
    """Means of classes and their common covariance, from streamed features: memory of one image.

    Args:
        classes: number of classes.
        centre: float32 (C,), near the mean; taken off, so that sums of squares do not cancel.
    """

    def __init__(self, classes: int, centre: Tensor) -> None:
        self.centre = centre
        width = len(centre)
        self.count = torch.zeros(classes, dtype=torch.float64, device=centre.device)
        self._sum = torch.zeros(classes, width, dtype=torch.float64, device=centre.device)
        self._squares = torch.zeros(width, width, dtype=torch.float64, device=centre.device)

    def add(self, features: Tensor, labels: Tensor) -> None:
        """Take in features float32 (n, C) of pixels with labels int64 (n,)."""
        features = (features - self.centre).double()
        self.count += torch.bincount(labels, minlength=len(self.count))
        self._sum.index_add_(0, labels, features)
        self._squares += features.T @ features

    @property
    def means(self) -> Tensor:
        """float64 (L, C), μ_c less the centre; 0 for a class without pixels."""
        return self._sum / self.count.clamp_min(1)[:, None]

    @property
    def covariance(self) -> Tensor:
        """float64 (C, C), Σ = 1/N Σ_c Σ_(i of c) (f_i - μ_c)(f_i - μ_c)ᵀ."""
        means = self.means
        between = (means * self.count[:, None]).T @ means
        return (self._squares - between) / self.count.sum()


def whitened(covariance: Tensor, ridge: float) -> Tensor:
    """float64 (C, C), the W with WᵀW = (Σ + ridge · mean variance)⁻¹."""
    eye = torch.eye(len(covariance), dtype=covariance.dtype, device=covariance.device)
    variance = covariance.diagonal().mean().clamp_min(TINY)
    root = torch.linalg.cholesky(covariance + ridge * variance * eye)
    whitening: Tensor = torch.linalg.solve_triangular(root, eye, upper=False)
    return whitening
