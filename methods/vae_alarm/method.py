"""VAE alarm (Liu et al., ICCV 2019): quality regressed from how well a VAE rebuilds a map."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ...benchmark.interfaces import (
    Config,
    Context,
    DatasetInfo,
    FitOn,
    Item,
    Method,
    Pairs,
    Prediction,
    Preset,
    Protocol,
    Scores,
)
from ..building_blocks.regression import Linear, fit_linear, observed
from . import vae
from .vae import ShapeModel, VAEConfig, shape_model


class VAEAlarmConfig(Config):
    """Hyper-parameters.

    Attributes:
        vae: of the VAE.
        feature: the number of each class that its quality is regressed from: the "overlap" of its map with
            what is rebuilt, or the VAE's "loss" on it.
        absent: which classes have a quality to learn, see `per_class_quality`.
    """

    vae: VAEConfig = VAEConfig()
    feature: Literal["overlap", "loss"] = "overlap"
    absent: Literal["official", "paper"] = "official"


class VAEAlarm(Method):
    """The IoU or Dice of each class from how far its predicted map is from what the VAE makes of it."""

    Config = VAEAlarmConfig
    config: VAEAlarmConfig
    _to_quality: Linear

    @classmethod
    def defaults(cls, preset: Preset, protocol: Protocol, dataset: DatasetInfo) -> dict[str, Any]:
        """No size is published for street scenes; `full` takes the experiment's 256 x 512."""
        volumes = {"feature": "loss"} if dataset.ndim == 3 else {}
        return {"vae": vae.defaults(preset, dataset), "absent": protocol.value, **volumes}

    def fit_on(self) -> FitOn:
        """The VAE learns from labels, the regressor from failures."""
        return FitOn.out_of_fold(self.needs())

    def fit(self, pairs: Pairs, context: Context) -> None:
        """Train the VAE where it is not there yet, freeze it, and regress."""
        shapes = shape_model(self.config.vae, context)
        found = observed(
            pairs,
            lambda prediction: self._features(prediction, shapes),
            self.config.absent,
            "vae-alarm: reconstructions",
            context,
        )
        self._to_quality = fit_linear(*found, own=True, background=context.info.ndim == 3)

    def save(self, folder: Path) -> None:
        """The regressors; the VAE is an artifact of its own."""
        self._to_quality.save(folder)

    def load(self, folder: Path, context: Context) -> None:
        """Read the regressors, and have the VAE ready."""
        shape_model(self.config.vae, context)
        self._to_quality = Linear.load(folder)

    def score(self, batch: Sequence[Item], context: Context) -> list[Scores]:
        """Rebuild each predicted map, and regress."""
        shapes = shape_model(self.config.vae, context)
        return [Scores(quality=self._to_quality(self._features(item.prediction, shapes))) for item in batch]

    def _features(self, prediction: Prediction, shapes: ShapeModel) -> npt.NDArray[np.float64]:
        """A number a class, float64 (L,)."""
        compare = shapes.overlap if self.config.feature == "overlap" else shapes.losses
        found: npt.NDArray[np.float64] = compare(prediction.labels[None])[0].double().cpu().numpy()
        return found
