"""The scores of the comparison network for one image (Eq. 5)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ....benchmark.interfaces import Item, Scores, Task
from ...building_blocks.label_maps import foreground_box
from ...building_blocks.layers_and_resizing import enlarged
from .comparison_config import ComparisonConfig
from .comparison_network import ComparisonNetwork
from .network_inputs import cropped, network_inputs, network_size, normalised


@torch.no_grad()
def compare(
    network: ComparisonNetwork,
    config: ComparisonConfig,
    item: Item,
    synthesized: Tensor | None,
    device: str,
) -> tuple[Tensor, Tensor]:
    """Run the comparison network on one image: (IoU^, c) = F(x, x̂, ŷ) (Eq. 5).

    Args:
        network: the network F.
        config: the hyper-parameters of its training.
        item: the image x with the prediction ŷ.
        synthesized: x̂, uint8 (C, *size); None for a network without synthesis.
        device: the torch device to compute on.

    Returns:
        The predicted IoU (in volumes: Dice) of each class (L,), and c, the confidence that the predicted
        class of a pixel is right, in [0, 1], at the size of the image. Outside the box that the network sees,
        c is the confidence of the segmenter.
    """
    prediction = item.prediction
    assert prediction.probabilities is not None
    box = foreground_box(prediction.labels, config.focus)
    image = torch.from_numpy(item.view.image).to(device)[:, *box]
    size = network_size(config, image.shape[1:])
    inputs = network_inputs(image, prediction.probabilities[:, *box], size)
    if synthesized is not None:
        visible = cropped(synthesized.float() / 255, prediction.labels.shape, box)
        inputs["synthesized"] = normalised(visible, size)
    batch = {name: tensor[None] for name, tensor in inputs.items()}
    iou, logit = network(batch["probabilities"], batch["image"], batch.get("synthesized"))
    confidence = prediction.confidence.float().clone()
    confidence[box] = torch.sigmoid(enlarged(logit[None], image.shape[1:])[0, 0].float())
    return iou[0].float(), confidence


def to_scores(
    task: Task,
    config: ComparisonConfig,
    compared: tuple[Tensor, Tensor],
    item: Item,
    shown: Mapping[str, npt.NDArray[np.uint8]] | None = None,
) -> Scores:
    """The scores of one image: its predicted qualities, or -(c + p) of each pixel (-c by the paper's text).

    Args:
        task: the task, which asks for qualities or for pixels.
        config: whether qualities are clamped, and whether p is added.
        compared: the result of `compare`.
        item: the image with its prediction.
        shown: pictures for `bench show`.
    """
    iou, confidence = compared
    if task is Task.IMAGE_FAILURE:
        quality = iou.clamp(0, 1) if config.clamp else iou
        return Scores(quality=quality.cpu().numpy(), shown=shown or {})
    ranked = confidence + item.prediction.confidence if config.add_probability else confidence
    return Scores(
        pixel=(-ranked).float().cpu().numpy(), confidence=confidence.cpu().numpy(), shown=shown or {}
    )
