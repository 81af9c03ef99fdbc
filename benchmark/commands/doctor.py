"""The command `bench doctor`."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

import click

from ..interfaces import Dataset
from ..interfaces.errors import BenchError
from ..plugins.registry import Registry, load_registry
from .options.option_values import data_folders, home
from .options.shared_options import examples, workspace_option

PACKAGES = ("segalarm", "torch", "torchvision", "mmsegmentation", "mmcv-lite", "mmengine", "numpy", "pandas")
EXTRAS = {
    "crf": ("pydensecrf",),
    "medical": ("monai", "nibabel"),
    "report": ("matplotlib", "tensorboard"),
    "slurm": ("submitit",),
    "smiyc": ("h5py",),
}
"""Optional dependencies of segalarm -> their modules."""


class Finding(NamedTuple):
    """One line of the report. `in_order`: false where something must be mended."""

    subject: str
    text: str
    in_order: bool = True


@click.command(epilog=examples("bench doctor"))
@workspace_option
def doctor(workspace: Path | None) -> None:
    """Check the installation.

    Shows versions, devices, optional packages, plugins, data and disk, and marks what must be mended.
    """
    all_in_order = True
    for subject, text, in_order in examine(load_registry(), workspace or home(), data_folders(())):
        click.echo(f"{'ok ' if in_order else 'BAD'}  {subject}: {text}")
        all_in_order = all_in_order and in_order
    if not all_in_order:
        sys.exit(1)


def examine(registry: Registry, workspace: Path, folders: Mapping[str, Path]) -> Iterator[Finding]:
    """What there is to say of an installation. Imports every plugin's targets.

    Args:
        registry: the plugins.
        workspace: where the disk must have room.
        folders: data set -> folder to look for it in; the key "" stands for every data set.
    """
    yield Finding("Python", platform.python_version())
    for package in PACKAGES:
        try:
            yield Finding(package, version(package))
        except PackageNotFoundError:
            yield Finding(package, "not installed", in_order=False)
    yield from _devices()
    for extra, modules in EXTRAS.items():
        absent = [module for module in modules if importlib.util.find_spec(module) is None]
        hint = f"not installed ({', '.join(absent)}): pip install 'segalarm[{extra}]'"
        yield Finding(f"extra {extra}", hint if absent else "installed")
    for plugin in registry.broken:
        yield Finding(f"plugin {plugin.name}", plugin.error, in_order=False)
    for entry in registry:
        try:
            registry.get(entry.kind, entry.name).load()
        except BenchError as error:
            yield Finding(f"{entry.kind[:-1]} {entry.name}", str(error), in_order=False)
    for name in registry.names("datasets"):
        yield _data(registry, name, folders)
    parent = next(folder for folder in (workspace, *workspace.parents) if folder.exists())
    free = shutil.disk_usage(parent).free
    yield Finding("workspace", f"{workspace}, {free / 2**30:.1f} GiB free", free > 2**30)


def _data(registry: Registry, name: str, folders: Mapping[str, Path]) -> Finding:
    """Where a data set is. A data set that is not on this machine is no fault."""
    from ..data.folders import locate

    subject = f"data {name}"
    try:
        dataset_class: type[Dataset] = registry.get("datasets", name).load()
        folder = folders.get(name, folders.get(""))
        if dataset_class.generated:
            return Finding(subject, "generated when it is used")
        if folder is None:
            return Finding(subject, "unknown; name a folder with BENCH_DATA")
        return Finding(subject, f"in {locate(dataset_class, folder)}; `bench data {name}` counts its images")
    except BenchError as error:
        return Finding(subject, f"not here: {error}")


def _devices() -> Iterator[Finding]:
    import torch

    if not torch.cuda.is_available():
        yield Finding("device", f"cpu, {torch.get_num_threads()} threads; torch sees no GPU")
    for index in range(torch.cuda.device_count()):
        device = torch.cuda.get_device_properties(index)
        yield Finding(f"cuda:{index}", f"{device.name}, {device.total_memory / 2**30:.1f} GiB")
