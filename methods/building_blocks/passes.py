"""What the stochastic passes say of an image in a few numbers, and of all training images, made once.

MCDropout, Jungo et al. and Kwon et al. regress a quality from these; fifty passes an image serve them all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from ...benchmark.interfaces import (
    Config,
    Context,
    DatasetInfo,
    MonteCarlo,
    Needs,
    Pairs,
    Prediction,
    Preset,
    Protocol,
)
from ...benchmark.interfaces.errors import BenchError
from .regression import Array, observed
from .structures import Aggregator, StructureConfig, StructureRegression, aggregated

FILE = "passes.npz"
VOLUME_PASSES = {Preset.FULL: 50, Preset.SMALL: 20, Preset.SMOKE: 4}
NO_LOGITS = "mcdropout: the passes of this segmenter have no logits: --set mcdropout.average=probabilities"


class PassesConfig(Config):
    """What the numbers and qualities of training images depend on.

    Attributes:
        passes: stochastic passes.
        absent: which classes have a quality to learn, see `per_class_quality`.
    """

    passes: int = Field(default=50, ge=2)
    absent: Literal["official", "paper"] = "official"


def defaults(preset: Preset, protocol: Protocol, dataset: DatasetInfo) -> dict[str, Any]:
    """As many passes as published; fewer on volumes, where a pass is a whole one."""
    passes = {"passes": VOLUME_PASSES[preset]} if dataset.ndim == 3 else {}
    return {"absent": protocol.value, **passes}


def mean_prediction(passes: MonteCarlo, average: str) -> Tensor:
    """float32 (L, *spatial), the softmax averaged over passes, or of the averaged logits.

    Raises:
        BenchError: logits are to be averaged, and there are none.
    """
    if average == "probabilities":
        return passes.mean
    if passes.logits is None:
        raise BenchError(NO_LOGITS)
    return torch.softmax(passes.logits, dim=0)


def class_entropies(mean: Tensor, labels: Tensor, aggregator: Aggregator) -> Array:
    """The entropy of "this class or another" in nats, a number a class.

    Args:
        mean: float32 (L, *spatial), the mean prediction.
        labels: int64 (*spatial), the prediction without dropout.
        aggregator: "structure" for the mean over the voxels of the class, NaN where it is not predicted;
            "image" for that over all, whether it is or not.

    Returns:
        float64 (L,).
    """
    both = torch.special.entr(mean) + torch.special.entr(1 - mean)
    if aggregator == "structure":
        return aggregated(both.gather(0, labels[None])[0], labels, len(mean), aggregator)
    found: Array = both.double().flatten(1).mean(dim=1).cpu().numpy()
    return found


def entropy(passes: MonteCarlo) -> Tensor:
    """Entropy of the mean softmax in nats, float32 (*spatial): the predictive entropy."""
    found: Tensor = torch.special.entr(passes.mean).sum(0)
    return found


def variance(passes: MonteCarlo, labels: Tensor) -> Tensor:
    """The predictive variance of the predicted class, float32 (*spatial) (Kwon et al., Eq. 4).

    With p_t the class's probability in pass t, aleatoric and epistemic: mean of p_t (1 - p_t), and mean of
    (p_t - mean p)².
    """
    aleatoric = passes.mean - passes.square
    epistemic = passes.square - passes.mean**2
    return (aleatoric + epistemic).gather(0, labels[None])[0]


UNCERTAINTY: Mapping[str, Callable[[MonteCarlo, Tensor], Tensor]] = {
    "entropy": lambda drawn, labels: entropy(drawn),
    "variance": variance,
}
"""Maps, float32 (*spatial), by name."""


def of_classes(kind: str, aggregator: Aggregator, drawn: MonteCarlo, labels: Tensor) -> Array:
    """A number a class, float64 (L,); NaN where one is asked of a structure that is not predicted.

    Args:
        kind: a map's name, or "probabilities" or "logits": what `class_entropies` averages over the passes.
    """
    if kind in UNCERTAINTY:
        return aggregated(UNCERTAINTY[kind](drawn, labels), labels, len(drawn.mean), aggregator)
    return class_entropies(mean_prediction(drawn, kind), labels, aggregator)


NUMBERS: Mapping[str, Callable[[MonteCarlo, Tensor], Array]] = {
    f"{kind} of {aggregator}": partial(of_classes, kind, aggregator)
    for kind in (*UNCERTAINTY, "probabilities", "logits")
    for aggregator in get_args(Aggregator)
}
"""All that is regressed from, by name, float64 (L,) each; logits only where the passes have them."""


def write_numbers(pairs: Pairs, config: PassesConfig, folder: Path, context: Context) -> None:
    """Write the numbers by name and the quality of every pair, float64 (N, L) each."""
    names: list[str] = []

    def joined(prediction: Prediction) -> Array:
        drawn = prediction.monte_carlo[config.passes]
        names[:] = [name for name in NUMBERS if drawn.logits is not None or not name.startswith("logits")]
        return np.stack([NUMBERS[name](drawn, prediction.labels) for name in names])

    features, quality = observed(pairs, joined, config.absent, "stochastic passes", context)
    named: dict[str, Any] = {name: features[:, row] for row, name in enumerate(names)}
    np.savez(folder / FILE, **named, quality=quality)


def of_training(config: PassesConfig, pairs: Pairs, context: Context) -> Callable[[str], tuple[Array, Array]]:
    """Gives the numbers of a name, and the quality, of all training images, float64 (N, L) both.

    The passes are made once for all methods, names and seeds. It raises a BenchError where logits are asked
    for, and there are none.
    """
    plain = PassesConfig(**config.model_dump(include=set(PassesConfig.model_fields)))
    build = partial(write_numbers, pairs, plain)
    folder = context.artifact("passes", plain, build, inputs=[pairs.key])

    def read(name: str) -> tuple[Array, Array]:
        with np.load(folder / FILE) as stored:
            if name not in stored:
                raise BenchError(NO_LOGITS)
            return stored[name], stored["quality"]

    return read


class PassesRegressionConfig(PassesConfig, StructureConfig):
    """Hyper-parameters, see both."""


class PassesRegression(StructureRegression):
    """An uncertainty over the passes as the map."""

    Config = PassesRegressionConfig
    config: PassesRegressionConfig
    kind: ClassVar[str]
    """Of uncertainty, see `UNCERTAINTY`."""

    @classmethod
    def defaults(cls, preset: Preset, protocol: Protocol, dataset: DatasetInfo) -> dict[str, Any]:
        """Those of all that regress from the passes."""
        return defaults(preset, protocol, dataset)

    def needs(self) -> Needs:
        """The statistics over the passes."""
        return Needs(monte_carlo=frozenset({self.config.passes}))

    def map(self, prediction: Prediction) -> Tensor:
        """The uncertainty of each voxel (pixel)."""
        return UNCERTAINTY[self.kind](prediction.monte_carlo[self.config.passes], prediction.labels)

    def observed(self, pairs: Pairs, context: Context) -> tuple[Array, Array]:
        """Read from what all methods share."""
        return of_training(self.config, pairs, context)(f"{self.kind} of {self.config.aggregator}")
