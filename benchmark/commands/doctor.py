"""What `bench doctor` reports: versions, device, memory, extras, plugins, disk."""

from __future__ import annotations

import importlib.util
import platform
import shutil
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ..data.folders import locate
from ..interfaces import Dataset
from ..interfaces.errors import BenchError
from ..plugins.registry import Registry

PACKAGES = ("segalarm", "torch", "torchvision", "mmsegmentation", "mmcv-lite", "mmengine", "numpy", "pandas")
EXTRAS = {
    "crf": ("pydensecrf",),
    "medical": ("monai", "nibabel"),
    "report": ("matplotlib", "tensorboard"),
    "slurm": ("submitit",),
    "smiyc": ("h5py",),
}


def examine(
    registry: Registry, workspace: Path, places: Mapping[str, Path]
) -> Iterator[tuple[str, str, bool]]:
    """(what, finding, whether it is in order), line by line. Imports every plugin's target.

    Args:
        places: data set -> where to look for it; the key "" stands for every data set.
    """
    yield "Python", platform.python_version(), True
    for package in PACKAGES:
        try:
            yield package, version(package), True
        except PackageNotFoundError:
            yield package, "not installed", False
    yield from _devices()
    for extra, modules in EXTRAS.items():
        absent = [module for module in modules if importlib.util.find_spec(module) is None]
        hint = f"not installed ({', '.join(absent)}): pip install 'segalarm[{extra}]'"
        yield f"extra {extra}", hint if absent else "installed", True
    for plugin in registry.broken:
        yield f"plugin {plugin.name}", plugin.error, False
    for entry in registry:
        try:
            registry.get(entry.kind, entry.name).load()
        except BenchError as error:
            yield f"{entry.kind[:-1]} {entry.name}", str(error), False
    for name in registry.names("datasets"):
        yield from _data(registry, name, places)
    parent = next(folder for folder in (workspace, *workspace.parents) if folder.exists())
    free = shutil.disk_usage(parent).free
    yield "workspace", f"{workspace}, {free / 2**30:.1f} GiB free", free > 2**30


def _data(registry: Registry, name: str, places: Mapping[str, Path]) -> Iterator[tuple[str, str, bool]]:
    try:
        kind: type[Dataset] = registry.get("datasets", name).load()
        folder = places.get(name, places.get(""))
        if kind.generated:
            yield f"data {name}", "generated when it is used", True
        elif folder is None:
            yield f"data {name}", "unknown; name a folder with BENCH_DATA", True
        else:
            yield f"data {name}", f"in {locate(kind, folder)}; `bench data {name}` counts its images", True
    except BenchError as error:
        yield f"data {name}", f"not here: {error}", True


def _devices() -> Iterator[tuple[str, str, bool]]:
    import torch

    if not torch.cuda.is_available():
        yield "device", f"cpu, {torch.get_num_threads()} threads; torch sees no GPU", True
    for index in range(torch.cuda.device_count()):
        facts = torch.cuda.get_device_properties(index)
        yield f"cuda:{index}", f"{facts.name}, {facts.total_memory / 2**30:.1f} GiB", True
