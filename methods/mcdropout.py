"""Monte-Carlo dropout (Gal and Ghahramani, ICML 2016)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from segalarm.benchmark.errors import BenchError
from segalarm.benchmark.interfaces import (
    Config,
    Context,
    DatasetInfo,
    FitOn,
    Float32,
    Item,
    Method,
    MonteCarlo,
    Needs,
    Pairs,
    Prediction,
    Preset,
    Protocol,
    Scores,
    Task,
)
from segalarm.methods.regression import Linear, fit_linear, observed
from torch import Tensor

ENTROPIES = "entropies.npy"


class PassesConfig(Config):
    """What the entropies and qualities of training images depend on.

    Attributes:
        passes: stochastic passes.
        average: what is averaged over them: "logits", whose softmax is taken then, or "probabilities".
        absent: which classes have an IoU to learn, see `per_class_iou`.
    """

    passes: int = Field(default=50, ge=2)
    average: Literal["logits", "probabilities"] = "probabilities"
    absent: Literal["official", "paper"] = "official"


class MCDropoutConfig(PassesConfig):
    """Hyper-parameters.

    Attributes:
        statistic: what is read of the passes for a pixel, see `uncertainty`.
    """

    statistic: Literal["entropy", "mutual-information", "variance"] = "entropy"


class MCDropout(Method):
    """Score a pixel by the uncertainty over stochastic passes, dropout on; an image by a regression from it.

    The errors that it is judged by are those of the deterministic prediction.
    """

    Config = MCDropoutConfig
    config: MCDropoutConfig

    def __init__(self, config: MCDropoutConfig, task: Task) -> None:
        super().__init__(config, task)
        self._to_iou: Linear | None = None

    @classmethod
    def defaults(cls, preset: Preset, protocol: Protocol, dataset: DatasetInfo) -> dict[str, Any]:
        """The published code for failure detection averages logits; it has none for anomalies."""
        published = protocol is Protocol.OFFICIAL and Task.ANOMALY not in dataset.default_tasks
        return {"absent": protocol.value} | ({"average": "logits"} if published else {})

    def needs(self) -> Needs:
        """The statistics over the passes."""
        return Needs(monte_carlo=frozenset({self.config.passes}))

    def fit_on(self) -> FitOn:
        """Pixels are ranked by what the passes say; an IoU is regressed from it."""
        return FitOn.OUT_OF_FOLD if self.task is Task.IMAGE_FAILURE else FitOn.NOTHING

    def fit(self, pairs: Pairs, context: Context) -> None:
        """Regress the IoU of each class from the entropies of all, on out-of-fold predictions."""
        passes = PassesConfig(**self.config.model_dump(include=set(PassesConfig.model_fields)))
        # Fifty passes an image: made once for all seeds.
        made = context.artifact(
            "entropies", passes, partial(write_entropies, pairs, passes), inputs=[pairs.key]
        )
        entropies, iou = np.load(made / ENTROPIES)
        self._to_iou = fit_linear(entropies, iou)

    def save(self, folder: Path) -> None:
        """The regression."""
        assert self._to_iou is not None
        self._to_iou.save(folder)

    def load(self, folder: Path, context: Context) -> None:
        """Read the regression."""
        self._to_iou = Linear.load(folder)

    def score(self, batch: Sequence[Item], context: Context) -> list[Scores]:
        """Read the configured statistic of the shared passes, or regress."""
        scores = []
        for item in batch:
            passes = item.prediction.monte_carlo[self.config.passes]
            mean = mean_prediction(passes, self.config.average)
            if self.task is Task.IMAGE_FAILURE:
                assert self._to_iou is not None
                scores.append(Scores(quality=self._to_iou(class_entropies(mean))))
            else:
                scores.append(Scores(pixel=uncertainty(mean, passes, self.config.statistic)))
        return scores


def mean_prediction(passes: MonteCarlo, average: str) -> Tensor:
    """float32 (L, *spatial), the softmax averaged over passes, or of the averaged logits.

    Raises:
        BenchError: logits are to be averaged, and there are none.
    """
    if average == "probabilities":
        return passes.mean
    if passes.logits is None:
        raise BenchError(
            "mcdropout: this segmenter averages over scales, so its passes have no logits: "
            "--set mcdropout.average=probabilities"
        )
    return torch.softmax(passes.logits, dim=0)


def class_entropies(mean: Tensor) -> npt.NDArray[np.float64]:
    """float64 (L,), the mean over pixels of the entropy of "this class or another", in nats."""
    both = torch.special.entr(mean) + torch.special.entr(1 - mean)
    found: npt.NDArray[np.float64] = both.double().flatten(1).mean(dim=1).cpu().numpy()
    return found


def write_entropies(pairs: Pairs, config: PassesConfig, folder: Path, context: Context) -> None:
    """Write the entropies and the IoU of each class for every pair, float64 (2, N, L)."""

    def entropies(prediction: Prediction) -> npt.NDArray[np.float64]:
        return class_entropies(mean_prediction(prediction.monte_carlo[config.passes], config.average))

    found = observed(pairs, entropies, config.absent, "mcdropout: entropies", context)
    np.save(folder / ENTROPIES, np.stack(found))


def uncertainty(mean: Tensor, passes: MonteCarlo, statistic: str) -> Float32:
    """One number a pixel, higher = more uncertain.

    Args:
        mean: float32 (L, *spatial), the mean prediction.
        passes: the streamed statistics.
        statistic: "entropy" of the mean (predictive entropy), "mutual-information" (that minus the passes'
            mean entropy), or "variance" of the softmax, summed over classes.

    Returns:
        float32 array (*spatial).
    """
    if statistic == "variance":
        found = (passes.square - passes.mean**2).sum(0)
    else:
        found = torch.special.entr(mean).sum(0)
    if statistic == "mutual-information":
        found = found - passes.entropy
    array: Float32 = found.cpu().numpy()
    return array
