"""Finds the dataset folder of a data set, and compares its splits with the official release."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from ..interfaces import Dataset
from ..interfaces.errors import BenchError, DataMissingError
from ..plugins.registry import Entry


class SplitStatus(NamedTuple):
    """One split of a dataset folder.

    `expected` and `found` are numbers of images, in the official release and in the folder. `problem` says
    why the split cannot be read, or is None.
    """

    name: str
    expected: int
    found: int
    problem: str | None


def locate(dataset_class: type[Dataset], data_dir: Path) -> Path:
    """Find the data set's own folder: `data_dir` itself, or the folder below it that bears its name.

    The class attribute `marker` is a path or glob pattern that exists in every folder of the data set. The
    folder of a generated data set (class attribute `generated`) need not exist yet.

    Raises:
        DataMissingError: The data set is in neither place. The message names the paths that were looked for.
        BenchError: `data_dir` is no folder.
    """
    info, marker = dataset_class.info, dataset_class.marker
    names = info.folders or (info.name,)
    if marker is not None and any(data_dir.glob(marker)):
        return data_dir
    for name in names:
        if (data_dir / name).is_dir() and (marker is None or any((data_dir / name).glob(marker))):
            return data_dir / name
    if dataset_class.generated:
        return data_dir / names[0]
    # A folder that bears the name but lacks the marker is returned: its reader says what is missing.
    for folder in (data_dir, *(data_dir / name for name in names)):
        if folder.is_dir() and folder.name in names:
            return folder
    if not data_dir.is_dir():
        raise BenchError(f"data folder {data_dir}: no such folder. Name one with --data or BENCH_DATA.")
    looked_for = ", ".join([f"{marker}"] * (marker is not None) + [f"{name}/" for name in names])
    only = f"The data set names no `marker`, so only folders called {' or '.join(names)} are recognised. "
    raise DataMissingError(
        f"data set '{info.name}' is not in {data_dir}: looked there for {looked_for}. "
        f"{only if marker is None else ''}"
        f"Expected layout of its folder:\n{info.layout}\nGet it: {info.source}"
    )


def needed(entry: Entry) -> str:
    """Say in words which options a run on the data set needs besides the data set's name."""
    try:
        dataset_class: type[Dataset] = entry.load()
    except BenchError as error:
        return str(error)
    if dataset_class.generated:
        return "no folder, it is generated"
    folder = "a folder, --data DIR or BENCH_DATA"
    if "train" in dataset_class.info.splits:
        return folder
    return f"{folder}, and --train-dataset NAME to train on"


def status(dataset: Dataset) -> list[SplitStatus]:
    """Count the images of every split of the release. Nothing is generated and no image is decoded."""
    return [_split_status(dataset, name, expected) for name, expected in dataset.info.splits.items()]


def _split_status(dataset: Dataset, name: str, expected: int) -> SplitStatus:
    try:
        return SplitStatus(name, expected, len(dataset.samples(name)), None)
    except BenchError as error:
        return SplitStatus(name, expected, 0, str(error))


def variant_of(dataset: Dataset, variants: Mapping[str, str]) -> str | None:
    """Return the label of a dataset folder that differs from the official release; None for the release.

    Args:
        dataset: The data set, read from the folder.
        variants: Name of a data set -> label. The key "" labels any folder whose splits differ in size from
            the release.

    Raises:
        BenchError: The sizes of the splits differ and the folder has no label, or a split cannot be read.
    """
    splits = status(dataset)
    for split in splits:
        if split.problem is not None:
            raise BenchError(split.problem)
    differences = [
        f"{split.name} has {split.found} images (release: {split.expected})"
        for split in splits
        if split.found != split.expected
    ]
    variant = variants.get(dataset.info.name, variants.get("") if differences else None)
    if differences and not variant:
        raise BenchError(
            f"{dataset.root} is not the release of '{dataset.info.name}': {'; '.join(differences)}. "
            "Restore the missing files. If the copy differs on purpose (a subset, say), label it with "
            "--variant NAME; its numbers are kept and printed apart from the release's."
        )
    return variant
