"""Runs an mmsegmentation network: logits, inner features and stochastic passes at the image's size."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from ...interfaces.errors import BenchError
from ..stochastic import active_dropouts
from .network import Normalise

DECODER = "decoder"
Size = tuple[int, int]


class Runner:
    """A network in evaluation mode.

    Args:
        network: an mmsegmentation encoder-decoder.
        normalise: from photographs to its input.
        classes: number of its classes.
        divisor: images are padded to multiples of it, right and below.
        slide: whether to slide the network's test window over the image.
        decoder: path of the module whose input is the layer "decoder"; empty for the classifier.
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
        """Logits at `size` and the outputs of `layers` at their own resolution.

        Args:
            images: float32 (B, 3, h, w) in [0, 1].
            size: height and width of the logits.
            layers: "decoder", or paths of modules.

        Returns:
            float32 (B, L, *size), and float32 (B, C, *reduced) a layer.
        """
        padded = self._pad(images)
        if not layers:
            return self._fit(self._run(padded), images, size), {}
        with self._listening(layers) as heard:
            # Features exist for the whole image alone: a window's would not tile.
            found = self._whole(padded)
        features = {layer: self._crop(layer, heard, images, padded) for layer in layers}
        return self._fit(self._run(padded) if self.slide else found, images, size), features

    def stochastic(self, image: Tensor, size: Size) -> Callable[[], Tensor]:
        """A function that gives the logits of one more pass; what no dropout reaches is computed once.

        Args:
            image: float32 (1, 3, h, w) in [0, 1].
            size: height and width of the logits.

        Raises:
            BenchError: the network has no dropout.
        """
        padded = self._pad(image)
        names = [name for name, _ in active_dropouts(self.network)]
        head = self.network.decode_head
        if (
            self.slide
            or isinstance(head, nn.ModuleList)
            or not all(n.startswith("decode_head.") for n in names)
        ):
            return lambda: self._fit(self._run(padded), image, size)
        features = self.network.extract_feat(padded)
        seen = self._before_classifier(head, features) if names == ["decode_head.dropout"] else None
        if seen is not None:
            return lambda: self._fit(self._resize(head.cls_seg(seen), padded), image, size)
        # A head may work in place on what it is given.
        return lambda: self._fit(self._resize(head.forward(_clone(features)), padded), image, size)

    def _before_classifier(self, head: Any, features: Any) -> Tensor | None:
        """The input of the head's dropout, where the classifier right after it is the network's end."""
        heard: dict[str, Any] = {}

        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            heard.update(input=inputs[0], output=output)

        from mmseg.models.decode_heads.decode_head import BaseDecodeHead

        handle = head.conv_seg.register_forward_hook(hook)
        head.dropout.eval()
        try:
            end = head.forward(_clone(features))
        finally:
            handle.remove()
            head.dropout.train()
        simple = type(head).cls_seg is BaseDecodeHead.cls_seg
        return heard["input"] if simple and end is heard.get("output") else None

    def _run(self, padded: Tensor) -> Tensor:
        if not self.slide:
            return self._whole(padded)
        logits: Tensor = self.network.slide_inference(padded, _metas(padded))
        return logits

    def _whole(self, padded: Tensor) -> Tensor:
        logits: Tensor = self.network.encode_decode(padded, _metas(padded))
        return logits

    def _resize(self, logits: Tensor, padded: Tensor) -> Tensor:
        return F.interpolate(
            logits, tuple(padded.shape[2:]), mode="bilinear", align_corners=self.network.align_corners
        )

    def _pad(self, images: Tensor) -> Tensor:
        height, width = images.shape[2:]
        below, right = -height % self.divisor, -width % self.divisor
        normalised = self.normalise(images)
        return F.pad(normalised, (0, right, 0, below)) if below or right else normalised

    def _fit(self, logits: Tensor, images: Tensor, size: Size) -> Tensor:
        """Cut the padding off; bring the logits of a resized image to the image's size."""
        height, width = images.shape[2:]
        logits = logits[:, :, :height, :width].float()
        if (height, width) == size:
            return logits
        return F.interpolate(logits, size, mode="bilinear", align_corners=False)

    @contextmanager
    def _listening(self, layers: Collection[str]) -> Iterator[dict[str, Tensor]]:
        heard: dict[str, Tensor] = {}
        handles = []
        modules: Mapping[str, nn.Module] = dict(self.network.named_modules())
        for layer in layers:
            if layer == DECODER:
                # Several classifiers may run; the last one makes the prediction.
                handles += [m.register_forward_pre_hook(_keep_input(heard)) for m in self._classifiers()]
            elif layer in modules:
                handles.append(modules[layer].register_forward_hook(_keep_output(heard, layer)))
            else:
                known = ", ".join(name for name, _ in self.network.named_children())
                raise BenchError(
                    f"the segmenter has no layer '{layer}': name 'decoder', or a module below {known}"
                )
        try:
            yield heard
        finally:
            for handle in handles:
                handle.remove()

    def _classifiers(self) -> list[nn.Module]:
        if self.decoder:
            return [self.network.get_submodule(self.decoder)]
        head = self.network.decode_head
        return [m for m in head.modules() if isinstance(m, nn.Conv2d) and m.out_channels == self.classes]

    def _crop(self, layer: str, heard: Mapping[str, Tensor], images: Tensor, padded: Tensor) -> Tensor:
        found = heard.get(layer)
        if found is None or found.ndim != 4:
            raise BenchError(f"layer '{layer}' of the segmenter gives no feature map (C, h, w) for an image")
        height, width = (
            -(-have * wanted // full)
            for have, wanted, full in zip(found.shape[2:], images.shape[2:], padded.shape[2:], strict=True)
        )
        return found[:, :, :height, :width].float()


def _metas(images: Tensor) -> list[dict[str, Any]]:
    shape = images.shape[2:]
    return [
        {"ori_shape": shape, "img_shape": shape, "pad_shape": shape, "padding_size": [0, 0, 0, 0]}
        for _ in range(len(images))
    ]


def _clone(features: Any) -> Any:
    if isinstance(features, Tensor):
        return features.clone()
    return type(features)(_clone(part) for part in features)


def _keep_input(heard: dict[str, Tensor]) -> Callable[[nn.Module, tuple[Any, ...]], None]:
    def hook(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        heard[DECODER] = inputs[0]

    return hook


def _keep_output(heard: dict[str, Tensor], layer: str) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
    def hook(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        if isinstance(output, Tensor):
            heard[layer] = output

    return hook
