"""VAE alarm (Liu et al., ICCV 2019) as a method; docs/methods/vae-alarm.md has the equations."""

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
from ..building_blocks.regression import Linear, features_and_quality, fit_linear
from .shape_model import ShapeModel, shape_model
from .vae_config import VAEConfig, vae_defaults


class VAEAlarmConfig(Config):
    """Hyper-parameters.

    Attributes:
        vae: hyper-parameters of the VAE.
        feature: the number s_l of each class that its quality is regressed from: "overlap" for the IoU of the
            map of the class with the reconstruction, "loss" for the loss of the VAE on the class.
        absent: the classes that have a quality to learn, see `per_class_quality`.
    """

    vae: VAEConfig = VAEConfig()
    feature: Literal["overlap", "loss"] = "overlap"
    absent: Literal["official", "paper"] = "official"


class VAEAlarm(Method):
    """The quality of a class is regressed from how well a VAE of true label maps rebuilds the prediction."""

    Config = VAEAlarmConfig
    config: VAEAlarmConfig
    _to_quality: Linear

    @classmethod
    def defaults(cls, preset: Preset, protocol: Protocol, dataset: DatasetInfo) -> dict[str, Any]:
        """Sizes and lengths of a preset. No size is published for street scenes; `full` takes 256 x 512."""
        volumes = {"feature": "loss"} if dataset.ndim == 3 else {}
        return {"vae": vae_defaults(preset, dataset), "absent": protocol.value, **volumes}

    def fit_on(self) -> FitOn:
        """Out-of-fold predictions, for the regression. The VAE learns from the labels of the run alone."""
        return FitOn.out_of_fold(self.needs())

    def fit(self, pairs: Pairs, context: Context) -> None:
        """Train the VAE if it does not exist yet, then fit a line from s_l to the quality for each class."""
        shapes = shape_model(self.config.vae, context)
        features, quality = features_and_quality(
            pairs,
            lambda prediction: self._features(prediction, shapes),
            self.config.absent,
            "vae-alarm: reconstructions",
            context,
        )
        self._to_quality = fit_linear(features, quality, own=True, background=context.info.ndim == 3)

    def save(self, folder: Path) -> None:
        """Write the lines. The VAE is an artifact of its own."""
        self._to_quality.save(folder)

    def load(self, folder: Path, context: Context) -> None:
        """Read the lines, and load the VAE."""
        shape_model(self.config.vae, context)
        self._to_quality = Linear.load(folder)

    def score(self, batch: Sequence[Item], context: Context) -> list[Scores]:
        """Rebuild each predicted map, and predict the quality of its classes."""
        shapes = shape_model(self.config.vae, context)
        return [Scores(quality=self._to_quality(self._features(item.prediction, shapes))) for item in batch]

    def _features(self, prediction: Prediction, shapes: ShapeModel) -> npt.NDArray[np.float64]:
        """s_l, the number of each class that its quality is regressed from, float64 (L,)."""
        compare = shapes.overlap if self.config.feature == "overlap" else shapes.losses
        numbers: npt.NDArray[np.float64] = compare(prediction.labels[None])[0].double().cpu().numpy()
        return numbers
