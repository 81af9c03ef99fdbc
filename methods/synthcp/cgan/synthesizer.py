"""The trained generator of a run, which synthesizes images from label maps."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from ....benchmark.interfaces import VOID, Context
from ....benchmark.interfaces.errors import BenchError
from ...building_blocks.label_maps import one_hot, resized_by_corners
from ...building_blocks.layers_and_resizing import CHANNELS_LAST
from .cgan_training import WEIGHTS, make_generator, train_cgan
from .synthesis_config import SynthesisConfig
from .volume_patches import synthesize_by_window


class Synthesizer:
    """A trained generator G, which synthesizes images from label maps: x̂ = G(ŷ) (Eq. 3).

    Args:
        folder: the folder that `train_cgan` filled.
        config: the hyper-parameters of the training.
        classes: number of classes.
        device: the torch device to compute on.
    """

    def __init__(self, folder: Path, config: SynthesisConfig, classes: int, device: str) -> None:
        state = load_file(folder / WEIGHTS)
        self.size = tuple(int(length) for length in state.pop("size"))
        self.classes = classes
        self.device = device
        self._generator = make_generator(config, self.size, classes, len(state["conv_img.bias"]))
        self._generator.load_state_dict(state)
        self._generator.to(memory_format=CHANNELS_LAST[len(self.size)]).to(device).eval()

    @torch.no_grad()
    def __call__(self, labels: Tensor) -> Tensor:
        """Synthesize an image x̂ for each label map (Eq. 3).

        An image is synthesized whole, at the size of the generator; a volume by a sliding window, at the size
        of its label map (Section 4.1).

        Args:
            labels: int64 (B, *spatial), 0..classes-1 or `VOID`.

        Returns:
            uint8 on the generator's device: images (B, 3, *size), volumes (B, C, *spatial).

        Raises:
            BenchError: a label is none of the network's classes.
        """
        labels = labels.to(self.device)
        unknown = labels[(labels != VOID) & ((labels < 0) | (labels >= self.classes))]
        if unknown.numel():
            raise BenchError(
                f"the label map holds class {int(unknown[0])}, but the cGAN knows {self.classes} classes"
            )
        if len(self.size) == 3:
            images = torch.stack([synthesize_by_window(self._whole, one, self.size) for one in labels])
        else:
            images = self._whole(torch.stack([resized_by_corners(one, self.size) for one in labels]))
        pixels: Tensor = ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        return pixels

    def _whole(self, labels: Tensor) -> Tensor:
        images: Tensor = self._generator(one_hot(labels, self.classes))
        return images


def cgan(config: SynthesisConfig, context: Context) -> tuple[str, Synthesizer]:
    """The cGAN of a run, which is trained if it does not exist yet.

    Returns:
        A key that stands for the trained cGAN, and the cGAN.
    """
    folder = context.artifact("cgan", config, partial(train_cgan, config), seed=config.seed)
    classes = len(context.info.classes)
    network = context.memo.get(
        ("cgan", folder.name), lambda: Synthesizer(folder, config, classes, context.device)
    )
    return folder.name, network
