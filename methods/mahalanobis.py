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
        pixels: number of training pixels per image, drawn at random.
        ridge: added to every variance, as a part of the mean variance. Features that never vary would have no
            inverse variance otherwise.
    """

    pixels: int = Field(2000, ge=1)
    ridge: float = Field(1e-4, gt=0)


class Mahalanobis(FeatureAlarm):
    """The score of a pixel is min_c (f - μ_c)ᵀ Σ⁻¹ (f - μ_c), over the classes c (Eq. 2).

    f are the features of the pixel, μ_c the mean features of class c, and Σ the covariance of all classes.
    """

    Config = MahalanobisConfig
    config: MahalanobisConfig

    def learn(self, pairs: Pairs, context: Context) -> dict[str, Tensor]:
        """The mean of each class, in coordinates in which the common covariance is the identity."""
        drawn = training_features(
            pairs, self.features, self.config.pixels, False, "mahalanobis: features", context
        )
        features, labels = next(drawn)
        gaussians = Gaussians(len(context.info.classes), features.mean(dim=0))
        gaussians.add(features, labels)
        for features, labels in drawn:
            gaussians.add(features, labels)
        whitening = whitening_matrix(gaussians.covariance, self.config.ridge)
        means = gaussians.means[gaussians.count > 0] @ whitening.T
        return {"whitening": whitening.float(), "means": means.float(), "centre": gaussians.centre}

    def distances(self, features: Tensor) -> Tensor:
        """The squared distance of feature vectors to the nearest class, float32 (n, C) to (n,)."""
        whitened = (features - self.learned["centre"]) @ self.learned["whitening"].T
        # The faster |a|² - 2ab + |b|² loses digits where the distance is small.
        by_class = torch.cdist(whitened, self.learned["means"], compute_mode="donot_use_mm_for_euclid_dist")
        nearest: Tensor = by_class.amin(dim=1).square()  # min_c (f - μ_c)ᵀ Σ⁻¹ (f - μ_c), Eq. 2
        return nearest


class Gaussians:
    """Means of classes and their common covariance (Eq. 1), from features that are added image by image.

    Args:
        classes: number of classes L.
        centre: float32 (C,), near the mean. It is subtracted first, so that sums of squares keep their
            digits.
    """

    def __init__(self, classes: int, centre: Tensor) -> None:
        self.centre = centre
        width = len(centre)
        self.count = torch.zeros(classes, dtype=torch.float64, device=centre.device)
        self._sum = torch.zeros(classes, width, dtype=torch.float64, device=centre.device)
        self._squares = torch.zeros(width, width, dtype=torch.float64, device=centre.device)

    def add(self, features: Tensor, labels: Tensor) -> None:
        """Add features float32 (n, C) of pixels with labels int64 (n,)."""
        features = (features - self.centre).double()
        self.count += torch.bincount(labels, minlength=len(self.count))
        self._sum.index_add_(0, labels, features)
        self._squares += features.T @ features

    @property
    def means(self) -> Tensor:
        """μ_c minus the centre, float64 (L, C); 0 for a class without pixels."""
        return self._sum / self.count.clamp_min(1)[:, None]

    @property
    def covariance(self) -> Tensor:
        """Σ = 1/N Σ_c Σ_(i of c) (f_i - μ_c)(f_i - μ_c)ᵀ, float64 (C, C) (Eq. 1)."""
        means = self.means
        between = (means * self.count[:, None]).T @ means
        return (self._squares - between) / self.count.sum()


def whitening_matrix(covariance: Tensor, ridge: float) -> Tensor:
    """The matrix W with WᵀW = (Σ + ridge · mean variance)⁻¹, float64 (C, C)."""
    eye = torch.eye(len(covariance), dtype=covariance.dtype, device=covariance.device)
    variance = covariance.diagonal().mean().clamp_min(TINY)
    root = torch.linalg.cholesky(covariance + ridge * variance * eye)
    whitening: Tensor = torch.linalg.solve_triangular(root, eye, upper=False)
    return whitening
