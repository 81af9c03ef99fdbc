"""An oracle, for experiments alone: SynthCP trained on images synthesized from the true segmentation."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ...benchmark.interfaces import Context, Pairs, Truth
from .cgan.synthesizer import Synthesizer
from .method import SynthCP


class FromTruth(SynthCP):
    """SynthCP with x̂ = G(y), of the true segmentation y, in place of G(ŷ): the best possible synthesis.

    The class is registered nowhere, since a method sees no labels when it scores. The caller of `score` must
    put x̂ into the memo of each item.
    """

    def fit_key(self) -> dict[str, Any]:
        """The key of SynthCP and a mark: the networks are others than those of SynthCP."""
        return {**super().fit_key(), "images": "truth"}

    def synthesized(
        self, pairs: Pairs, key: str, synthesizer: Synthesizer, context: Context
    ) -> npt.NDArray[np.uint8]:
        """G(y) of all training samples, uint8 (N, 3, h, w)."""
        numbers = context.track(range(len(pairs)), "synthesize from the truth", len(pairs))
        images = [synthesized_from_truth(pairs[number].sample.truth, synthesizer) for number in numbers]
        return np.stack([image.cpu().numpy() for image in images])


def synthesized_from_truth(truth: Truth, synthesizer: Synthesizer) -> Tensor:
    """G(y), uint8 (3, h, w), of a true segmentation y."""
    return synthesizer(torch.from_numpy(truth.scored)[None])[0]
