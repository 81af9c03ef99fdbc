"""Runs a trained mmsegmentation network on images: logits, inner features, and passes with dropout."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from ...interfaces.errors import BenchError
from ..dropout_passes import active_dropouts
from .construction.network_building import Normalise
from .inner_features import recorded, without_padding

Size = tuple[int, int]


class Inference:
    """A network in evaluation mode, with the handling of images around it.

    Args:
        network: An encoder-decoder of mmsegmentation.
        normalise: Turns photographs into the network's input.
        classes: Number of the network's classes.
        divisor: Images are padded to multiples of this number, right and below.
        slide: Whether to slide the network's test window over the image.
        decoder: Path of the module whose input is the layer "decoder"; empty for the classifier.
    """

    def __init__(
        self,
        network: Any,
        normalise: Normalise,
        classes: int,
        divisor: int,
        slide: bool,
        decoder: str = "",
    ) -> None:
        self.network = network
        self.normalise = normalise
        self.classes = classes
        self.divisor = divisor
        self.slide = slide
        self.decoder = decoder

    def logits(
        self, images: Tensor, size: Size, layers: Collection[str] = ()
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Compute the logits at a given size, and the outputs of layers at the layers' own resolution.

        Args:
            images: float32 (B, 3, h, w), RGB in [0, 1].
            size: Height and width of the logits.
            layers: "decoder", or paths of the network's modules.

        Returns:
            The logits, float32 (B, L, *size), and for every layer float32 (B, C, *reduced).

        Raises:
            BenchError: A layer does not exist, or gives no feature map.
        """
        padded = self._pad(images)
        if not layers:
            return self._fit(self._run(padded), images, size), {}
        with recorded(self.network, layers, self._classifiers()) as outputs:
            # Features exist for the whole image alone: those of a sliding window would not fit together.
            logits = self._run_whole(padded)
        features = {layer: without_padding(outputs.get(layer), layer, images, padded) for layer in layers}
        return self._fit(self._run(padded) if self.slide else logits, images, size), features

    def stochastic(self, image: Tensor, size: Size) -> Callable[[], Tensor]:
        """Return a function that computes the logits of one more pass with the dropout as it is switched.

        The part of the network that no dropout reaches is computed once, for all passes.

        Args:
            image: float32 (1, 3, h, w), RGB in [0, 1].
            size: Height and width of the logits.
        """
        padded = self._pad(image)
        names = [name for name, _ in active_dropouts(self.network)]
        head = self.network.decode_head
        if (
            self.slide
            or isinstance(head, nn.ModuleList)
            or not all(name.startswith("decode_head.") for name in names)
        ):
            return lambda: self._fit(self._run(padded), image, size)
        features = self.network.extract_feat(padded)
        dropout_input = self._dropout_input(head, features) if names == ["decode_head.dropout"] else None
        if dropout_input is not None:
            return lambda: self._fit(self._resize(head.cls_seg(dropout_input), padded), image, size)
        # Cloned because a head may change its input in place.
        return lambda: self._fit(self._resize(head.forward(_clone(features)), padded), image, size)

    def _dropout_input(self, head: Any, features: Any) -> Tensor | None:
        """The input of the head's dropout, if nothing but the classifier follows the dropout; else None."""
        classifier: dict[str, Any] = {}

        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            classifier.update(input=inputs[0], output=output)

        from mmseg.models.decode_heads.decode_head import BaseDecodeHead

        handle = head.conv_seg.register_forward_hook(hook)
        # With the dropout off, the classifier's input is the dropout's.
        head.dropout.eval()
        try:
            output = head.forward(_clone(features))
        finally:
            handle.remove()
            head.dropout.train()
        plain = type(head).cls_seg is BaseDecodeHead.cls_seg
        return classifier["input"] if plain and output is classifier.get("output") else None

    def _run(self, padded: Tensor) -> Tensor:
        if not self.slide:
            return self._run_whole(padded)
        logits: Tensor = self.network.slide_inference(padded, _metas(padded))
        return logits

    def _run_whole(self, padded: Tensor) -> Tensor:
        logits: Tensor = self.network.encode_decode(padded, _metas(padded))
        return logits

    def _resize(self, logits: Tensor, padded: Tensor) -> Tensor:
        """Enlarge a head's logits to the padded image's size, as `encode_decode` does."""
        return F.interpolate(
            logits, tuple(padded.shape[2:]), mode="bilinear", align_corners=self.network.align_corners
        )

    def _pad(self, images: Tensor) -> Tensor:
        """Normalise images and pad them to multiples of the divisor."""
        height, width = images.shape[2:]
        below, right = -height % self.divisor, -width % self.divisor
        normalised = self.normalise(images)
        return F.pad(normalised, (0, right, 0, below)) if below or right else normalised

    def _fit(self, logits: Tensor, images: Tensor, size: Size) -> Tensor:
        """Cut off the padding, and bring the logits of a resized image to the wanted size."""
        height, width = images.shape[2:]
        logits = logits[:, :, :height, :width].float()
        if (height, width) == size:
            return logits
        return F.interpolate(logits, size, mode="bilinear", align_corners=False)

    def _classifiers(self) -> list[nn.Module]:
        """The modules whose input is the layer "decoder"."""
        if self.decoder:
            return [self.network.get_submodule(self.decoder)]
        head = self.network.decode_head
        return [m for m in head.modules() if isinstance(m, nn.Conv2d) and m.out_channels == self.classes]


def set_window(network: Any, crop: Size | None) -> None:
    """Prepare a network for `slide_inference`.

    The window and its stride are the config's own; without them, the window is the training crop, and
    neighbouring windows overlap by a third.

    Raises:
        BenchError: Neither the config nor the training has the size of a crop.
    """
    from mmengine.config import ConfigDict

    config = network.test_cfg or {}
    window = config.get("crop_size") or crop
    if window is None:
        raise BenchError("inference=slide needs a window: set crop to its height and width")
    stride = config.get("stride") or tuple(max(1, length * 2 // 3) for length in window)
    network.test_cfg = ConfigDict(mode="slide", crop_size=tuple(window), stride=tuple(stride))


def _metas(images: Tensor) -> list[dict[str, Any]]:
    """The facts about every image that mmsegmentation's inference reads."""
    shape = images.shape[2:]
    return [
        {"ori_shape": shape, "img_shape": shape, "pad_shape": shape, "padding_size": [0, 0, 0, 0]}
        for _ in range(len(images))
    ]


def _clone(features: Any) -> Any:
    if isinstance(features, Tensor):
        return features.clone()
    return type(features)(_clone(part) for part in features)
