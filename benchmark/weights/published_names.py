"""The names that published checkpoints give to the weights of this project's networks.

Most functions translate in one direction: from our name of a weight to the name in the reference
implementation's file. The others repair what the published files hold besides.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

State = dict[str, Tensor]
ADE_CLASSES = 150
"""Outputs of a PSPNet whose config kept the number of classes of ADE20K, for which its code was written."""
_STEM = {f"stem.{3 * n + b}.": f"{kind}{n + 1}." for n in range(3) for b, kind in enumerate(("conv", "bn"))}
"""The first three convolutions of a ResNet: mmsegmentation's names -> the published names."""
_SUMS = ("._running_iter", "._tmp_running_mean", "._tmp_running_var")
_CLASSIFIER = re.compile(r"conv_last(\.4|_deepsup)\.")
_FCN8S = {
    "backbone.features.": "vgg.",
    "decode_head.fc6.": "vgg_head.0.",
    "decode_head.fc7.": "vgg_head.3.",
    "decode_head.conv_seg.": "vgg_head.6.",
    "decode_head.upscore2": "upscore_pool4.w",
    "decode_head.upscore8": "upscore8.w",
    "decode_head.": "",
}
_DEEPLAB = {
    "backbone.": "",
    "decode_head.conv_seg.": "aspp.conv3.",
    "decode_head.bottleneck.conv.": "aspp.conv2.",
    "decode_head.bottleneck.bn.": "aspp.bn2.",
    "decode_head.image_pool.1.conv.": "aspp.aspp5.",
    "decode_head.image_pool.1.bn.": "aspp.aspp5_bn.",
    **{f"decode_head.aspp_modules.{n}.conv.": f"aspp.aspp{n + 1}." for n in range(4)},
    **{f"decode_head.aspp_modules.{n}.bn.": f"aspp.aspp{n + 1}_bn." for n in range(4)},
}
_PSPNET = {
    **{f"backbone.{ours}": theirs for ours, theirs in _STEM.items()},
    "backbone.": "",
    **{f"decode_head.psp_modules.{n}.1.conv.": f"ppm.{n}.1." for n in range(4)},
    **{f"decode_head.psp_modules.{n}.1.bn.": f"ppm.{n}.2." for n in range(4)},
    "decode_head.bottleneck.conv.": "conv_last.0.",
    "decode_head.bottleneck.bn.": "conv_last.1.",
    "decode_head.conv_seg.": "conv_last.4.",
    "auxiliary_head.convs.0.conv.": "cbr_deepsup.0.",
    "auxiliary_head.convs.0.bn.": "cbr_deepsup.1.",
    "auxiliary_head.conv_seg.": "conv_last_deepsup.",
}


def fcn8s(key: str) -> str:
    """Translate our name of a weight of FCN-8s to the published name."""
    return _renamed(key, _FCN8S)


def deeplab(key: str) -> str:
    """Translate our name of a weight of DeepLab to the published name."""
    return _renamed(key, _DEEPLAB)


def pspnet(key: str) -> str:
    """Translate our name of a weight of PSPNet to the published name, in the encoder's or decoder's file."""
    return _renamed(key, _PSPNET)


def deep_stem(key: str) -> str:
    """Translate the published name of a weight in a ResNet's first three convolutions to our name."""
    return _renamed(key, {theirs: ours for ours, theirs in _STEM.items()})


def efficientnet(key: str) -> str:
    """Translate the published name of a weight of EfficientNet to ours, which has no leading underscores."""
    return f".{key}".replace("._", ".")[1:]


def without_alias(state: Mapping[str, Tensor]) -> State:
    """Drop the second name of FCN-8s's upsampling by 2: torch, too, uses the value that is stored last."""
    return {key: value for key, value in state.items() if key != "upscore2.w"}


def without_sums(state: Mapping[str, Tensor]) -> State:
    """Drop the running sums of a batch norm over several devices, which inference does not read."""
    return {key: value for key, value in state.items() if not key.endswith(_SUMS)}


def narrowed(state: Mapping[str, Tensor], classes: int) -> State:
    """Cut the classifiers of PSPNet's decoder, where they have 150 outputs, to the first `classes`."""
    wide = {key for key, value in state.items() if _CLASSIFIER.match(key) and len(value) == ADE_CLASSES}
    return {key: value[:classes] if key in wide else value for key, value in state.items()}


def pooled_first(state: Mapping[str, Tensor]) -> State:
    """Reorder the inputs of DeepLab's bottleneck, whose weights have our names already.

    The published code concatenates the image-pooling branch last, mmsegmentation first.
    """
    bottleneck = "decode_head.bottleneck.conv.weight"
    pooled = len(state["decode_head.image_pool.1.conv.weight"])
    return {**state, bottleneck: torch.roll(state[bottleneck], pooled, dims=1)}


def _renamed(key: str, prefixes: Mapping[str, str]) -> str:
    """Replace the first prefix of the mapping with which the key begins."""
    for prefix, replacement in prefixes.items():
        if key.startswith(prefix):
            return f"{replacement}{key.removeprefix(prefix)}"
    return key
