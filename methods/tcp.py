"""True class probability, regressed by a branch on the segmenter (Corbière et al., NeurIPS 2019)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from safetensors.torch import load_file
from torch import Tensor, nn

from ..benchmark.data.selection import shuffled
from ..benchmark.interfaces import (
    VOID,
    Config,
    Context,
    DatasetInfo,
    FitOn,
    Item,
    Method,
    Needs,
    Pairs,
    Preset,
    Protocol,
    Scores,
    Task,
)
from ..benchmark.interfaces.errors import BenchError
from ..benchmark.training import Objective, seed_everything, train
from ..benchmark.weights.checkpoints import load_strict, read_checkpoint, save_weights

WEIGHTS = "branch.safetensors"
HIDDEN = (400, 120, 64, 64)
WIDE = 512
"""If the last feature map has more channels, they are first reduced to `REDUCED`."""
REDUCED = 256


class TCPConfig(Config):
    """Hyper-parameters.

    Attributes:
        steps: number of optimizer steps.
        add_probability: whether `score` adds the maximum softmax probability to the confidence.
        weights: the file of a branch that was trained elsewhere, to use instead of training one.
    """

    steps: int = Field(40_000, ge=1)
    batch_size: int = Field(4, ge=1)
    learning_rate: float = Field(5e-5, gt=0)
    add_probability: bool = True
    weights: Path | None = None


class TCP(Method):
    """The score of a pixel is -(c + p), where c estimates the softmax probability of the pixel's true class.

    p is the maximum softmax probability; in the text of the paper the score is -c. A branch on the
    segmenter's feature maps estimates c. The branch is trained on the predictions of the final segmenter for
    its own training images. The segmenter is not changed.
    """

    Config = TCPConfig
    config: TCPConfig

    def __init__(self, config: TCPConfig, task: Task) -> None:
        super().__init__(config, task)
        self._branch: ConfidenceBranch | None = None

    @classmethod
    def defaults(cls, preset: Preset, protocol: Protocol, dataset: DatasetInfo) -> dict[str, Any]:
        """The published schedule at `full`, shorter ones below."""
        by_protocol = {"add_probability": False} if protocol is Protocol.PAPER else {}
        if preset is Preset.FULL:
            return by_protocol
        if preset is Preset.SMOKE:
            return {**by_protocol, "steps": 4, "batch_size": 2}
        return {**by_protocol, "steps": 150 if dataset.miniature else 300, "learning_rate": 1e-4}

    def needs(self) -> Needs:
        """The feature maps that the branch reads."""
        return Needs(branch=True)

    def fit_on(self) -> FitOn:
        """Features and softmax of the final segmenter: features of two fold segmenters cannot be compared."""
        return FitOn.in_fold(Needs(branch=True, probabilities=True))

    def skip(self, dataset: DatasetInfo) -> str | None:
        """Skip volumes, whose segmenters give no feature maps to a branch."""
        if dataset.ndim != 2:
            return "tcp: segmenters of volumes offer no feature maps to a confidence branch"
        return None

    def fit_key(self) -> dict[str, Any]:
        """All hyper-parameters but `add_probability`, which only `score` reads."""
        return self.config.model_dump(mode="json", exclude={"add_probability"})

    def fit(self, pairs: Pairs, context: Context) -> None:
        """Train the branch, or read it from `weights`.

        Raises:
            BenchError: the segmenter gives no feature maps, or the file does not fit the branch.
        """
        prediction = pairs[0].prediction
        assert prediction is not None
        seed_everything(context.seed)
        self._branch = ConfidenceBranch([len(maps) for maps in prediction.branch])
        if self.config.weights is not None:
            context.weights["tcp branch"] = self.config.weights.name
            load_strict(self._branch, read_checkpoint(self.config.weights), self.config.weights)
            return
        optimizer = torch.optim.Adam(self._branch.parameters(), lr=self.config.learning_rate, fused=True)
        train(
            "train tcp",
            {"branch": self._branch},
            [Objective(optimizer, partial(branch_losses, self._branch))],
            BranchBatches(pairs, self.config.batch_size, context.seed),
            self.config.steps,
            context,
            workers=0,  # the segmenter predicts in this process
        )

    def save(self, folder: Path) -> None:
        """Write the branch, and the channels of the feature maps that it reads."""
        assert self._branch is not None
        save_weights(self._branch, folder / WEIGHTS, widths=torch.tensor(self._branch.widths))

    def load(self, folder: Path, context: Context) -> None:
        """Read the branch."""
        state = load_file(folder / WEIGHTS)
        self._branch = ConfidenceBranch([int(width) for width in state.pop("widths")])
        load_strict(self._branch, state, folder / WEIGHTS)
        self._branch.to(context.device).eval()

    @torch.no_grad()
    def score(self, batch: Sequence[Item], context: Context) -> list[Scores]:
        """Run the branch on each image."""
        return [self._score_item(item) for item in batch]

    def _score_item(self, item: Item) -> Scores:
        assert self._branch is not None
        prediction = item.prediction
        size = (int(prediction.labels.shape[0]), int(prediction.labels.shape[1]))
        confidence = self._branch([maps[None] for maps in prediction.branch], size)[0, 0].float()
        ranked = confidence + prediction.confidence if self.config.add_probability else confidence
        return Scores(pixel=(-ranked).cpu().numpy(), confidence=confidence.cpu().numpy())


class ConfidenceBranch(nn.Module):
    """Five convolutions from a segmenter's feature maps to the confidence of each pixel.

    Modules are named as in the published checkpoints. Several maps are resized to the size of the image and
    concatenated. A single map is read at its own size, and the confidence is enlarged.

    Args:
        widths: number of channels of each map.

    Raises:
        BenchError: there is no map.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        if not widths:
            raise BenchError(
                "tcp needs a segmenter that offers feature maps to a confidence branch: "
                "choose another --segmenter"
            )
        self.widths = list(widths)
        if widths[-1] > WIDE:
            self.reduce_dim = nn.Conv2d(widths[-1], REDUCED, 1)
        layers: list[nn.Module] = []
        channels = sum(widths[:-1]) + (REDUCED if widths[-1] > WIDE else widths[-1])
        for hidden in HIDDEN:
            layers += [nn.Conv2d(channels, hidden, 3, padding=1), nn.ReLU(inplace=True)]
            channels = hidden
        self.uncertainty = nn.Sequential(*layers, nn.Conv2d(channels, 1, 3, padding=1), nn.Sigmoid())

    def forward(self, maps: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
        """The confidence c, float32 (B, 1, *size) in [0, 1], of feature maps float32 (B, C, h, w)."""
        last = self.reduce_dim(maps[-1]) if self.widths[-1] > WIDE else maps[-1]
        if len(maps) > 1:
            joined = [_resized(feature_map, size) for feature_map in (*maps[:-1], last)]
            return self._confidence(torch.cat(joined, dim=1))
        return _resized(self._confidence(last), size)

    def _confidence(self, x: Tensor) -> Tensor:
        confidence: Tensor = self.uncertainty(x)
        return confidence


@dataclass(frozen=True)
class BranchBatches:
    """Training batches: `batches(n)` gives the n-th, one element per image since images may differ in size.

    An element holds "maps", the feature maps float32 (1, C, h, w); "target", the probability of the true
    class float32 (H, W); and "counted", whether a pixel is labelled, bool (H, W).
    """

    pairs: Pairs
    batch_size: int
    seed: int

    def __call__(self, number: int) -> list[dict[str, Any]]:
        """The batch of a number, from 0."""
        return [self._element(number * self.batch_size + slot) for slot in range(self.batch_size)]

    def _element(self, position: int) -> dict[str, Any]:
        pair = self.pairs[shuffled(position, len(self.pairs), self.seed, 5)]
        prediction, label = pair.prediction, pair.sample.truth.scored
        assert prediction is not None
        assert prediction.probabilities is not None
        probabilities = prediction.probabilities
        true_class = torch.from_numpy(np.where(label == VOID, 0, label)).to(probabilities.device)
        return {
            "maps": [maps[None] for maps in prediction.branch],
            "target": probabilities.gather(0, true_class[None])[0],
            "counted": torch.from_numpy(label != VOID).to(probabilities.device),
        }


def branch_losses(
    branch: ConfidenceBranch, batch: Sequence[Mapping[str, Any]], step: int
) -> dict[str, Tensor]:
    """The squared error to the probability of the true class, mean over labelled pixels (Eq. 4).

    Args:
        branch: the branch to train.
        batch: see `BranchBatches`.
        step: not used.
    """
    errors = []
    for image in batch:
        target, counted = image["target"], image["counted"]
        confidence = branch(image["maps"], (int(target.shape[0]), int(target.shape[1])))[0, 0]
        errors.append((confidence - target)[counted].square().sum() / counted.sum().clamp_min(1))
    return {"true class probability": torch.stack(errors).mean()}


def _resized(maps: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(maps, size, mode="bilinear", align_corners=False)
