"""What the reference implementation calls our networks' weights."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

State = dict[str, Tensor]
ADE_CLASSES = 150
"""Outputs of a PSPNet whose config kept the number of classes that its code base was made for."""
_STEM = {f"stem.{3 * n + b}.": f"{kind}{n + 1}." for n in range(3) for b, kind in enumerate(("conv", "bn"))}
"""The three first convolutions of a ResNet: mmsegmentation's names and the others'."""
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
    """The name of a weight of FCN-8s."""
    return _renamed(key, _FCN8S)


def deeplab(key: str) -> str:
    """The name of a weight of DeepLab."""
    return _renamed(key, _DEEPLAB)


def pspnet(key: str) -> str:
    """The name of a weight of PSPNet, in the encoder's or the decoder's file."""
    return _renamed(key, _PSPNET)


def deep_stem(key: str) -> str:
    """Our name of a ResNet's weight that is named as published: its three first convolutions' differ."""
    return _renamed(key, {theirs: ours for ours, theirs in _STEM.items()})


def without_alias(state: Mapping[str, Tensor]) -> State:
    """FCN-8s stores its upsampling by 2 under two names; as torch does, the last one counts."""
    return {key: value for key, value in state.items() if key != "upscore2.w"}


def without_sums(state: Mapping[str, Tensor]) -> State:
    """Without what a batch norm over several devices keeps for its own sums."""
    return {key: value for key, value in state.items() if not key.endswith(_SUMS)}


def narrowed(state: Mapping[str, Tensor], classes: int) -> State:
    """PSPNet's decoder, a classifier of 150 outputs cut to the first `classes`."""
    wide = {key for key, value in state.items() if _CLASSIFIER.match(key) and len(value) == ADE_CLASSES}
    return {key: value[:classes] if key in wide else value for key, value in state.items()}


def pooled_first(state: Mapping[str, Tensor]) -> State:
    """DeepLab's weights in our names; its pooled branch comes last there, and first in mmsegmentation."""
    joined = "decode_head.bottleneck.conv.weight"
    pooled = len(state["decode_head.image_pool.1.conv.weight"])
    return {**state, joined: torch.roll(state[joined], pooled, dims=1)}


def _renamed(key: str, beginnings: Mapping[str, str]) -> str:
    """The key with the first beginning that it has replaced."""
    for beginning, other in beginnings.items():
        if key.startswith(beginning):
            return f"{other}{key.removeprefix(beginning)}"
    return key
