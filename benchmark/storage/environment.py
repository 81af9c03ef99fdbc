"""The environment that a record is made in: plugins, libraries, the checkout, the machine."""

from __future__ import annotations

import platform
import resource
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from ..plugins.registry import Entry
from .provenance import Git, Plugin, Provenance

LIBRARIES = (
    "torch",
    "torchvision",
    "mmsegmentation",
    "mmcv-lite",
    "mmengine",
    "numpy",
    "scipy",
    "lightning-fabric",
)
OPTIONAL = ("monai", "nibabel")
"""Libraries that extras install."""


def provenance(
    method: Plugin,
    dataset: Plugin,
    segmenter: Plugin | None,
    code: str,
    device: str,
    weights: Mapping[str, str] | None = None,
) -> Provenance:
    """Where a record that is made now comes from.

    Args:
        code: a hash of the code that the record's numbers depend on.
        weights: pretrained weights that were used, name -> file or "none".
    """
    return Provenance(
        method=method,
        dataset=dataset,
        segmenter=segmenter,
        segalarm=version("segalarm"),
        code_hash=code,
        git=git_state(),
        libraries=libraries(),
        python=platform.python_version(),
        platform=platform.platform(),
        device=device,
        device_name=torch.cuda.get_device_name(device) if device.startswith("cuda") else cpu_name(),
        weights=dict(weights or {}),
    )


def supplier(entry: Entry) -> Plugin:
    """The plugin that registered a name."""
    return Plugin(plugin=entry.plugin, version=entry.version)


def libraries() -> dict[str, str]:
    """Name -> version of the libraries that numbers may depend on, as far as they are installed."""
    versions = {name: version(name) for name in LIBRARIES}
    for name in OPTIONAL:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    return versions


def git_state() -> Git | None:
    """The checkout that this package runs from, or None where the package is installed."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        asked = {"cwd": root, "capture_output": True, "text": True, "check": True}
        commit = subprocess.run(["git", "rev-parse", "HEAD"], **asked).stdout.strip()  # type: ignore[call-overload]
        changed = subprocess.run(["git", "status", "--porcelain"], **asked).stdout  # type: ignore[call-overload]
    except (OSError, subprocess.CalledProcessError):
        return None
    return Git(commit=commit, dirty=bool(changed))


def cpu_name() -> str:
    """The processor's model, and the number of threads that torch uses."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):  # no Linux, or a processor that does not say
        model = platform.processor() or platform.machine()
    return f"{model}, {torch.get_num_threads()} threads"


def peak_memory() -> int:
    """The most host memory that this process has held, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
