"""The command `bench doctor`."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal, NamedTuple

import click

from ..interfaces import Dataset
from ..interfaces.errors import BenchError, ExtraMissingError
from ..plugins.registry import Registry, load_registry
from .options.option_values import data_folders, home
from .options.shared_options import examples, workspace_option

PACKAGES = ("segalarm", "torch", "torchvision", "mmsegmentation", "mmcv-lite", "mmengine", "numpy", "pandas")
EXTRAS = {
    "crf": ("pydensecrf",),
    "medical": ("monai", "nibabel"),
    "report": ("matplotlib", "tensorboard"),
    "smiyc": ("h5py",),
}
"""Optional dependencies of segalarm -> their modules."""


class Finding(NamedTuple):
    """One line of the report.

    Attributes:
        state: "ok"; "off" for what lacks an optional package; "BAD" where something must be mended.
    """

    subject: str
    text: str
    state: Literal["ok", "off", "BAD"] = "ok"


@click.command(epilog=examples("bench doctor"))
@workspace_option
def doctor(workspace: Path | None) -> None:
    """Check the installation.

    Shows versions, devices, optional packages, plugins, data and disk. A line begins with "BAD" where
    something must be mended, and with "off" where an optional package is not installed.
    """
    faulty = False
    for subject, text, state in examine(load_registry(), workspace or home(), data_folders(())):
        click.echo(f"{state:3}  {subject}: {text}")
        faulty = faulty or state == "BAD"
    if faulty:
        sys.exit(1)


def examine(registry: Registry, workspace: Path, folders: Mapping[str, Path]) -> Iterator[Finding]:
    """What there is to say of an installation. Imports every plugin's targets.

    Args:
        registry: the plugins.
        workspace: where the disk must have room.
        folders: data set -> folder to look for it in; the key "" stands for every data set.
    """
    from ...results.registered_tables import load_table

    yield Finding("Python", platform.python_version())
    for package in PACKAGES:
        try:
            yield Finding(package, version(package))
        except PackageNotFoundError:
            yield Finding(package, "not installed", "BAD")
    yield from _devices()
    for extra, modules in EXTRAS.items():
        absent = [module for module in modules if importlib.util.find_spec(module) is None]
        hint = f"not installed ({', '.join(absent)}): pip install 'segalarm[{extra}]'"
        yield Finding(f"extra {extra}", hint, "off") if absent else Finding(f"extra {extra}", "installed")
    for plugin in registry.broken:
        yield Finding(f"plugin {plugin.name}", plugin.error, "BAD")
    for entry in registry:
        subject = f"{entry.kind[:-1]} {entry.name}"
        try:
            if entry.kind == "tables":
                load_table(registry, entry.name)
            else:
                registry.get(entry.kind, entry.name).load()
        except ExtraMissingError as error:
            yield Finding(subject, str(error), "off")
        except BenchError as error:
            yield Finding(subject, str(error), "BAD")
    for name in registry.names("datasets"):
        yield _data(registry, name, folders)
    parent = next(folder for folder in (workspace, *workspace.parents) if folder.exists())
    free = shutil.disk_usage(parent).free
    yield Finding("workspace", f"{workspace}, {free / 2**30:.1f} GiB free", "ok" if free > 2**30 else "BAD")


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
