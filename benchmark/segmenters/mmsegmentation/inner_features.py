"""Records the feature maps of named layers while a network runs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from ...interfaces.errors import BenchError

DECODER = "decoder"
"""Name of the layer from which a segmenter classifies: the input of its classifier."""


@contextmanager
def recorded(
    network: nn.Module, layers: Collection[str], classifiers: Sequence[nn.Module]
) -> Iterator[dict[str, Tensor]]:
    """Record the outputs of layers during the body of the `with` statement.

    Args:
        network: The network that runs in the body.
        layers: Paths of the network's modules, or "decoder".
        classifiers: The modules whose input is the layer "decoder". Several may run; the last one makes the
            prediction, so that its input counts.

    Yields:
        Layer -> output, filled while the network runs. An output that is no tensor is left out.

    Raises:
        BenchError: The network has no such layer.
    """
    outputs: dict[str, Tensor] = {}
    handles = []
    modules: Mapping[str, nn.Module] = dict(network.named_modules())
    for layer in layers:
        if layer == DECODER:
            handles += [module.register_forward_pre_hook(_keep_input(outputs)) for module in classifiers]
        elif layer in modules:
            handles.append(modules[layer].register_forward_hook(_keep_output(outputs, layer)))
        else:
            parts = ", ".join(name for name, _ in network.named_children())
            raise BenchError(
                f"the segmenter has no layer '{layer}': name 'decoder', or a module below {parts}"
            )
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


def without_padding(features: Tensor | None, layer: str, images: Tensor, padded: Tensor) -> Tensor:
    """Cut off the part of a feature map that stems from padding, right and below.

    Args:
        features: Feature map (B, C, h, w) of the padded images, or None where none was recorded.
        layer: Name of the layer, for the message.
        images: The images, (B, 3, H, W).
        padded: The padded images.

    Returns:
        float32 (B, C, h', w').

    Raises:
        BenchError: The layer gave no feature map.
    """
    if features is None or features.ndim != 4:
        raise BenchError(f"layer '{layer}' of the segmenter gives no feature map (C, h, w) for an image")
    height, width = (
        -(-reduced * length // padded_length)
        for reduced, length, padded_length in zip(
            features.shape[2:], images.shape[2:], padded.shape[2:], strict=True
        )
    )
    return features[:, :, :height, :width].float()


def _keep_input(outputs: dict[str, Tensor]) -> Callable[[nn.Module, tuple[Any, ...]], None]:
    def hook(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        outputs[DECODER] = inputs[0]

    return hook


def _keep_output(outputs: dict[str, Tensor], layer: str) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
    def hook(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        if isinstance(output, Tensor):
            outputs[layer] = output

    return hook
