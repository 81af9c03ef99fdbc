"""VAE alarm (Liu et al., ICCV 2019): quality regressed from how well a VAE rebuilds a map."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from segalarm.benchmark.interfaces import (
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
from segalarm.methods.regression import Linear, fit_linear, observed
from segalarm.methods.vae_alarm import vae
from segalarm.methods.vae_alarm.vae import ShapeModel, VAEConfig, shape_model


class VAEAlarmConfig(Config):
    """Hyper-parameters.

    Attributes:
        vae: of the VAE.
        absent: which classes have an IoU to learn, see `per_class_iou`.
    """

    vae: VAEConfig = VAEConfig()
    absent: Literal["official", "paper"] = "official"


class VAEAlarm(Method):
    """The IoU of each class from the overlap of its predicted map with what the VAE makes of it."""

    Config = VAEAlarmConfig
    config: VAEAlarmConfig
    _to_iou: Linear

    @classmethod
    def defaults(cls, preset: Preset, protocol: Protocol, dataset: DatasetInfo) -> dict[str, Any]:
        """No size is published for street scenes; `full` takes the experiment's 256 x 512."""
        if preset is Preset.FULL:
            sizes: dict[str, Any] = {}
        elif preset is Preset.SMOKE:
            sizes = vae.SMOKE
        else:
            sizes = vae.MINI if dataset.name.endswith("-mini") else vae.SMALL
        return {"vae": sizes, "absent": protocol.value}

    def fit_on(self) -> FitOn:
        """The VAE learns from labels, the regressor from failures."""
        return FitOn.OUT_OF_FOLD

    def fit(self, pairs: Pairs, context: Context) -> None:
        """Train the VAE where it is not there yet, freeze it, and regress."""
        shapes = shape_model(self.config.vae, context)
        found = observed(
            pairs,
            lambda prediction: features_of(prediction, shapes),
            self.config.absent,
            "vae-alarm: reconstructions",
            context,
        )
        self._to_iou = fit_linear(*found, own=True)

    def save(self, folder: Path) -> None:
        """The regressors; the VAE is an artifact of its own."""
        self._to_iou.save(folder)

    def load(self, folder: Path, context: Context) -> None:
        """Read the regressors, and have the VAE ready."""
        shape_model(self.config.vae, context)
        self._to_iou = Linear.load(folder)

    def score(self, batch: Sequence[Item], context: Context) -> list[Scores]:
        """Rebuild each predicted map, and regress."""
        shapes = shape_model(self.config.vae, context)
        return [Scores(quality=self._to_iou(features_of(item.prediction, shapes))) for item in batch]


def features_of(prediction: Prediction, shapes: ShapeModel) -> npt.NDArray[np.float64]:
    """The overlap of each class with its reconstruction, float64 (L,)."""
    found: npt.NDArray[np.float64] = shapes.overlap(prediction.labels[None])[0].double().cpu().numpy()
    return found
