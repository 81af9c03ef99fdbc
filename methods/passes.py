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
from segalarm.benchmark.errors import BenchError
from segalarm.benchmark.interfaces import (
    Config,
    Context,
    DatasetInfo,
    Item,
    MonteCarlo,
    Needs,
    Pairs,
    Prediction,
    Preset,
    Protocol,
)
from segalarm.methods.regression import Array, observed
from segalarm.methods.structures import Aggregator, StructureRegression, aggregated
from torch import Tensor

FILE = "passes.npz"
VOLUME_PASSES = {Preset.FULL: 50, Preset.SMALL: 20, Preset.SMOKE: 4}
NO_LOGITS = (
    "mcdropout: this segmenter averages over scales, so its passes have no logits: "
    "--set mcdropout.average=probabilities"
)


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


def class_entropies(mean: Tensor) -> Array:
    """float64 (L,), the mean over pixels of the entropy of "this class or another", in nats."""
    both = torch.special.entr(mean) + torch.special.entr(1 - mean)
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


def of_structures(kind: str, aggregator: Aggregator, drawn: MonteCarlo, labels: Tensor) -> Array:
    """An uncertainty of each predicted structure, float64 (L,); NaN where it is not predicted.

    Args:
        kind: "entropy" or "variance".
    """
    values = entropy(drawn) if kind == "entropy" else variance(drawn, labels)
    return aggregated(values, labels, len(drawn.mean), aggregator)


NUMBERS: Mapping[str, Callable[[MonteCarlo, Tensor], Array]] = {
    "probabilities": lambda drawn, labels: class_entropies(drawn.mean),
    "logits": lambda drawn, labels: class_entropies(mean_prediction(drawn, "logits")),
    **{
        f"{kind} of {aggregator}": partial(of_structures, kind, aggregator)
        for kind in ("entropy", "variance")
        for aggregator in get_args(Aggregator)
    },
}
"""All that is regressed from, by name, float64 (L,) each; logits only where the passes have them."""


def write_numbers(pairs: Pairs, config: PassesConfig, folder: Path, context: Context) -> None:
    """Write the numbers by name and the quality of every pair, float64 (N, L) each."""
    names: list[str] = []

    def joined(prediction: Prediction) -> Array:
        drawn = prediction.monte_carlo[config.passes]
        names[:] = [name for name in NUMBERS if name != "logits" or drawn.logits is not None]
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


class PassesRegressionConfig(PassesConfig):
    """Hyper-parameters.

    Attributes:
        aggregator: over what a voxel's (pixel's) uncertainty is averaged.
    """

    aggregator: Aggregator = "structure"


class PassesRegression(StructureRegression):
    """The quality of a structure from the uncertainty of its voxels over the passes."""

    Config = PassesRegressionConfig
    config: PassesRegressionConfig
    kind: ClassVar[str]
    """Of uncertainty, see `of_structures`."""

    @classmethod
    def defaults(cls, preset: Preset, protocol: Protocol, dataset: DatasetInfo) -> dict[str, Any]:
        """Those of all that regress from the passes."""
        return defaults(preset, protocol, dataset)

    def needs(self) -> Needs:
        """The statistics over the passes."""
        return Needs(monte_carlo=frozenset({self.config.passes}))

    def observed(self, pairs: Pairs, context: Context) -> tuple[Array, Array]:
        """Read from what all methods share."""
        return of_training(self.config, pairs, context)(self._name)

    def numbers(self, item: Item, context: Context) -> Array:
        """The mean uncertainty of each predicted structure."""
        prediction = item.prediction
        return NUMBERS[self._name](prediction.monte_carlo[self.config.passes], prediction.labels)

    @property
    def _name(self) -> str:
        return f"{self.kind} of {self.config.aggregator}"
