"""The checkpoints of the reference implementation, for Cityscapes and StreetHazards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from torch import Tensor, nn

from ..interfaces.errors import BenchError
from ..weights import published_names
from .checkpoint_layout import CheckpointLayout, Part, State
from .mmsegmentation_networks import network_of_config

CITYSCAPES = 19
STREETHAZARDS = 13
"""Numbers of classes."""
MOST = "most"
"""The only upsampling of SPADE's generator that its weights tell."""
GENERATOR_OPTION = (
    "--set synthcp.cgan.weights={file} --set synthcp.cgan.ngf={width} "
    "--set synthcp.cgan.upsampling={upsampling} (set cgan.size, too, to the value of its training: the "
    "weights do not tell it)"
)


def generator_width(state: Mapping[str, Tensor]) -> int:
    """`ngf` of SPADE's generator: its first layer has 16 times as many outputs. 64 for any other network."""
    return max(1, len(state["fc.weight"]) // 16) if "fc.weight" in state else 64


def generator_facts(state: Mapping[str, Tensor], upsampling: str | None) -> dict[str, str]:
    """The upsampling of SPADE's generator, which the weights tell only where it is "most".

    Args:
        state: the generator's weights.
        upsampling: what the user gives; None for nothing.

    Raises:
        BenchError: the weights do not tell the upsampling and the user does not either, or the two differ.
    """
    if _is_most(state):
        if upsampling not in (None, MOST):
            raise BenchError(
                f"--upsampling {upsampling}: the generator has a block up_4, which only '{MOST}' has"
            )
        return {"upsampling": MOST}
    if upsampling is None:
        raise BenchError(
            "spade-generator: weights trained with upsampling 'normal' fit a generator of 'more', and the "
            "reverse, but paint other images there; name that of the training with --upsampling ('more' for "
            "the published generators of Cityscapes and StreetHazards)"
        )
    if upsampling == MOST:
        raise BenchError(f"--upsampling {MOST}: the generator has no block up_4, which '{MOST}' has")
    return {"upsampling": upsampling}


def _is_most(state: Mapping[str, Tensor]) -> bool:
    return "up_4.conv_0.bias" in state


def _generator(classes: int, state: Mapping[str, Tensor]) -> nn.Module:
    from ...methods.synthcp.cgan.spade import Generator

    norm: Any = "none" if "head_0.conv_0.weight" in state else "spectral"
    # Only the names of weights are of interest here, and those are alike for all but "most".
    upsampling: Any = MOST if _is_most(state) else "more"
    return Generator(classes, generator_width(state), upsampling=upsampling, norm=norm)


def _discriminator(classes: int, state: Mapping[str, Tensor]) -> nn.Module:
    from ...methods.synthcp.cgan.discriminator import Discriminator

    return Discriminator(classes)


def _comparison(synthesized: bool, classes: int, state: Mapping[str, Tensor]) -> nn.Module:
    from ...methods.synthcp.comparison.comparison_config import ComparisonConfig
    from ...methods.synthcp.comparison.comparison_network import ComparisonNetwork

    return ComparisonNetwork(classes, ComparisonConfig(pretrained=False), synthesized)


def _comparison_option(method: str) -> str:
    own = f"--set {method}.comparison"
    return f"{own}.weights={{file}} {own}.encoder=resnet18 {own}.size=null"


def _branch(widths: Sequence[int], classes: int, state: Mapping[str, Tensor]) -> nn.Module:
    from ...methods.tcp import ConfidenceBranch

    return ConfidenceBranch(widths)


_FCN8S = Part(
    partial(network_of_config, "fcn8s"),
    "--segmenter fcn8s --checkpoint {file}",
    lambda key: (0, published_names.fcn8s(key)),
)
_DEEPLAB = Part(
    partial(network_of_config, "deeplab"),
    "--segmenter deeplab --checkpoint {file}",
    lambda key: (0, published_names.deeplab(key)),
    published_names.pooled_first,
)
_PSPNET = Part(
    partial(network_of_config, "resnet50dilated_ppm"),
    "--segmenter pspnet --checkpoint {file}",
    lambda key: (int(not key.startswith("backbone.")), published_names.pspnet(key)),
)


def _tcp(widths: Sequence[int]) -> Part:
    """TCP's confidence branch on feature maps of these widths, in one checkpoint with its segmenter."""
    return Part(partial(_branch, widths), "--set tcp.weights={file}", suffix="-branch")


def _prepare_fcn8s(states: list[State], classes: int) -> list[State]:
    return [published_names.without_alias(states[0])]


def _prepare_pspnet(states: list[State], classes: int) -> list[State]:
    encoder, decoder = map(published_names.without_sums, states)
    return [encoder, published_names.narrowed(decoder, classes)]


LAYOUTS: Mapping[str, CheckpointLayout] = {
    "spade-generator": CheckpointLayout((Part(_generator, GENERATOR_OPTION),), None, facts=generator_facts),
    "spade-discriminator": CheckpointLayout(
        (Part(_discriminator, "(no run reads the discriminator: it is for further training)"),), CITYSCAPES
    ),
    "synthcp-comparison": CheckpointLayout(
        (Part(partial(_comparison, True), _comparison_option("synthcp")),), CITYSCAPES
    ),
    "direct-prediction": CheckpointLayout(
        (Part(partial(_comparison, False), _comparison_option("direct-prediction")),), CITYSCAPES
    ),
    "fcn8s": CheckpointLayout((_FCN8S,), CITYSCAPES, prepare=_prepare_fcn8s),
    "deeplab": CheckpointLayout((_DEEPLAB,), CITYSCAPES),
    "tcp-fcn8s": CheckpointLayout((_FCN8S, _tcp((256, 512, 4096))), CITYSCAPES, prepare=_prepare_fcn8s),
    "tcp-deeplab": CheckpointLayout((_DEEPLAB, _tcp((256,))), CITYSCAPES),
    "pspnet": CheckpointLayout(
        (_PSPNET,), STREETHAZARDS, ("the encoder's", "the decoder's"), _prepare_pspnet
    ),
}
"""Name of a network, as `bench import-checkpoint` takes it -> its checkpoint."""
