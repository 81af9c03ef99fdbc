"""The training of the comparison network on failures (Section 3.2, Eq. 6 to 8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from ....benchmark.data.selection import shuffled
from ....benchmark.interfaces import VOID, Context, Pairs
from ....benchmark.interfaces.errors import BenchError
from ....benchmark.metrics import per_class_quality
from ....benchmark.training import Objective, poly, train
from ...building_blocks.label_maps import foreground_box, resized_by_corners
from ...building_blocks.layers_and_resizing import CHANNELS_LAST, resized
from .comparison_config import ComparisonConfig, Head
from .comparison_network import ComparisonNetwork, make_network, save_network
from .network_inputs import cropped, network_inputs, network_size, normalised

SynthesizedImages = Sequence[npt.NDArray[np.uint8]] | npt.NDArray[np.uint8]
"""x̂ of every training sample, uint8 (C, *size) each."""


@dataclass(frozen=True)
class ComparisonBatches:
    """Training batches of the comparison network: `batches(n)` gives the n-th, name -> numpy array.

    A batch holds the inputs of the network ("image", "probabilities" and, with synthesis, "synthesized"), the
    true qualities "iou" (B, L), NaN for classes that do not count (Eq. 6), the errors "wrong" (B, *size), 0,
    1 or `VOID` (Eq. 7), and the maximum softmax probabilities "confidence" (B, *size).

    Attributes:
        pairs: training samples with predictions.
        synthesized: x̂ of every pair, uint8 (C, *size) each; None without synthesis.
        classes: number of classes L.
        seed: of the order.
    """

    pairs: Pairs
    synthesized: SynthesizedImages | None
    config: ComparisonConfig
    classes: int
    seed: int

    def __call__(self, number: int) -> dict[str, Any]:
        """The batch of a number, from 0.

        Raises:
            BenchError: images differ in size, and the configuration names no size.
        """
        torch.set_num_threads(1)
        size = self.config.batch_size
        samples = [self._sample(number * size + slot) for slot in range(size)]
        shapes = {sample["wrong"].shape for sample in samples}
        if len(shapes) > 1:
            raise BenchError(
                f"comparison.size: images of the different shapes {shapes} make no batch: name a size"
            )
        return {name: np.stack([sample[name] for sample in samples]) for name in samples[0]}

    def _sample(self, position: int) -> dict[str, Any]:
        index = shuffled(position, len(self.pairs), self.seed, 4)
        pair = self.pairs[index]
        prediction, truth = pair.prediction, pair.sample.truth
        assert prediction is not None
        assert prediction.probabilities is not None
        label = truth.scored
        labels = prediction.labels.numpy()
        box = foreground_box(prediction.labels, self.config.focus)
        image = torch.from_numpy(pair.sample.image)[:, *box]
        size = network_size(self.config, image.shape[1:])
        inputs = network_inputs(image, prediction.probabilities[:, *box], size)
        if self.synthesized is not None:
            synthesized = torch.from_numpy(self.synthesized[index].copy()) / 255
            inputs["synthesized"] = normalised(cropped(synthesized, label.shape, box), size)
        arrays: dict[str, Any] = {name: tensor.numpy() for name, tensor in inputs.items()}
        quality = per_class_quality(labels, label, self.classes, VOID, absent=self.config.absent)
        wrong = np.where(label == VOID, VOID, labels != label).astype(np.uint8)
        arrays["iou"] = quality.astype(np.float32)
        arrays["wrong"] = resized_by_corners(torch.from_numpy(wrong)[box], size).numpy()
        arrays["confidence"] = resized(prediction.confidence[box][None], size)[0].numpy()
        return arrays


def comparison_losses(
    network: ComparisonNetwork, config: ComparisonConfig, head: str, batch: Mapping[str, Tensor], step: int
) -> dict[str, Tensor]:
    """The loss L of Eq. 8, or one of its two parts, by name.

    Both parts are means over all classes or pixels of the batch, so that few classes and much void make the
    loss small. The paper and the published code agree on that.

    Args:
        network: the network to train.
        config: form and weighting of the losses.
        head: "joint" for both parts, "image" for the loss of the IoU, "pixel" for the loss of the confidence.
        batch: see `ComparisonBatches`.
        step: not used.
    """
    predicted, logit = network(batch["probabilities"], batch["image"], batch.get("synthesized"))
    losses = {}
    if head != "pixel":
        actual = batch["iou"]
        scored = ~torch.isnan(actual)
        distance = F.l1_loss if config.iou_loss == "l1" else F.smooth_l1_loss
        # Σ_l smoothL1(IoU^_l - IoU_l) / |L|: a class that does not count is a term of 0
        losses["iou"] = distance(predicted.float()[scored], actual[scored], reduction="sum") / scored.numel()
    if head != "image":
        wrong = batch["wrong"]
        labelled = wrong != VOID
        # Σ_i w(i) BCE(c(i), 1 - e(i)) / wh: a void pixel is a term of 0
        right = (wrong == 0).float()
        weight = labelled * (batch["confidence"] ** 2 if config.weighted else 1.0)
        cross_entropy = F.binary_cross_entropy_with_logits(logit.float(), right, reduction="none")
        losses["pixel"] = (cross_entropy * weight).mean()
    return losses


def train_network(
    network: ComparisonNetwork,
    config: ComparisonConfig,
    head: str,
    pairs: Pairs,
    synthesized: SynthesizedImages | None,
    context: Context,
) -> None:
    """Train a network on training samples and their out-of-fold predictions.

    Args:
        network: the network to train.
        config: hyper-parameters of the training.
        head: see `comparison_losses`.
        pairs: training samples with predictions.
        synthesized: x̂ of every pair; None without synthesis.
        context: the run.
    """
    context.weights["comparison encoder"] = config.encoder if config.pretrained else "none"
    rate = poly(config.steps, config.decay)
    optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate, fused=True)
    batches = ComparisonBatches(pairs, synthesized, config, len(context.info.classes), context.seed)
    train(
        f"train comparison ({head})",
        {"network": network.to(memory_format=CHANNELS_LAST[context.info.ndim])},
        [Objective(optimizer, partial(comparison_losses, network, config, head), rate)],
        batches,
        config.steps,
        context,
    )


def write_network(
    config: ComparisonConfig,
    head: Head,
    pairs: Pairs,
    synthesized: SynthesizedImages,
    folder: Path,
    context: Context,
) -> None:
    """Train a network with synthesized images, and write its weights below `folder`."""
    network = make_network(context.info, config, True, context.seed)
    train_network(network, config, head, pairs, synthesized, context)
    save_network(network, folder)
