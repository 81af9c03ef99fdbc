"""What a run works on: data sets that are found and checked, and segmenters that are not yet trained."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..data.folders import locate, variant_of
from ..data.selection import evenly
from ..interfaces import Config, Dataset, Preset, Sample, Segmenter, Truth
from ..interfaces.errors import AbsentError, BenchError, DataMissingError, UnknownNameError
from ..plugins.configure import configure
from ..plugins.registry import Entry, Registry
from ..storage.code_hash import code_hash
from .request import Request

LIMITS = {"train": 16, "validation": 8, "test": 8}
"""The largest number of samples of a split in the preset `smoke`; the samples are evenly spaced."""


@dataclass(frozen=True)
class PreparedData:
    """A data set that was found and checked, with the samples that the preset admits.

    Attributes:
        variant: the name given by `--variant` to data that differ from the release; None for the release.
    """

    entry: Entry
    dataset: Dataset
    variant: str | None
    train: Sequence[Sample]
    validation: Sequence[Sample]
    test: Sequence[Sample]

    @cached_property
    def facts(self) -> dict[str, Any]:
        """All that an artifact made of the training split depends on."""
        info = self.dataset.info
        return {
            "dataset": info.name,
            "variant": self.variant,
            "revision": info.revision,
            "samples": samples_hash(self.train),
            "code": code_hash(type(self.dataset), Truth),
        }


@dataclass(frozen=True)
class PlannedSegmenter:
    """A segmenter that is configured but not trained.

    Attributes:
        facts: all that its trained weights depend on.
    """

    name: str
    entry: Entry
    model: Segmenter
    seed: int
    facts: Mapping[str, Any]


def samples_hash(samples: Iterable[Sample]) -> str:
    """A hash of the samples' keys, in order: 16 hexadecimal digits."""
    return hashlib.sha256("\n".join(sample.key for sample in samples).encode()).hexdigest()[:16]


def file_hash(file: Path) -> str:
    """The SHA-256 of a file's content.

    Raises:
        BenchError: the file cannot be read.
    """
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise BenchError(f"{file} cannot be read: {error.strerror}") from error


def config_facts(config: Config, files: Iterable[Path] | None = None) -> dict[str, Any]:
    """All hyper-parameters of a configuration, with a hash of each file that they name.

    Args:
        files: the files that count; None for all that the configuration names.

    Raises:
        BenchError: such a file cannot be read.
    """
    facts = config.model_dump(mode="json")
    # Files are identified by name and content hash, not by folder: where a file lies changes no result.
    hashes: dict[str, str] = {}
    for file in config.files() if files is None else files:
        name = file.name
        while name in hashes:
            name += "'"
        hashes[name] = file_hash(file)
    return {**facts, "files": hashes} if hashes else facts


def prepare_data(request: Request, name: str, preset: Preset, registry: Registry) -> PreparedData:
    """Find and check a data set; a generated data set is made where it is not there yet.

    Raises:
        BenchError: the dataset folder is missing or malformed, or is no release and no variant was named.
    """
    entry = registry.get("datasets", name)
    dataset_class: type[Dataset] = entry.load()
    folder = request.folder(name)
    if dataset_class.generated:
        root = request.workspace / "data" / name
    elif folder is None:
        hint = f"--data DIR, or BENCH_DATA. {dataset_class.info.source}"
        raise DataMissingError(f"data set '{name}' needs a folder: {hint}")
    else:
        root = locate(dataset_class, folder)
    dataset = dataset_class(root)
    dataset.prepare()
    variant = variant_of(dataset, request.variants)
    splits = {split: dataset.samples(split) for split in LIMITS}
    if preset is Preset.SMOKE:
        splits = {split: evenly(samples, LIMITS[split]) for split, samples in splits.items()}
    return PreparedData(entry, dataset, variant, **splits)


def training_data(request: Request, data: PreparedData, preset: Preset, registry: Registry) -> PreparedData:
    """The data set that is trained on: the tested one, unless the request names another.

    Raises:
        BenchError: as `prepare_data`.
    """
    other = request.train_dataset
    if other is None or other == data.entry.name:
        return data
    try:
        return prepare_data(request, other, preset, registry)
    except AbsentError as error:
        # The user asked for this data set by name, even where all data sets are tested: nothing to skip.
        raise BenchError(f"--train-dataset {other}: {error}") from error


def data_facts(data: PreparedData, train: PreparedData) -> dict[str, Any]:
    """The fields of an `Identity` that say which samples were tested, and which trained on."""
    info = data.dataset.info
    return {
        "dataset": info.name,
        "variant": data.variant,
        "dataset_revision": info.revision,
        "samples_hash": samples_hash(data.test),
        "n_samples": len(data.test),
        "train_dataset": train.dataset.info.name,
        "train_variant": train.variant,
        "train_samples_hash": samples_hash(train.train),
        "n_train_samples": len(train.train),
    }


def find_segmenter(name: str, registry: Registry) -> tuple[Entry, dict[str, Any]]:
    """The entry of a segmenter, and the options that its name implies.

    Args:
        name: a registered name, or an mmsegmentation config by name or path.

    Raises:
        UnknownNameError: the name is neither; gives the nearest names.
    """
    if name in registry.entries["segmenters"]:
        return registry.get("segmenters", name), {}
    from ..segmenters.mmsegmentation.construction.config_files import find_config

    try:
        config = find_config(name)
    except BenchError as error:
        raise UnknownNameError("segmenter", name, registry.names("segmenters"), str(error)) from error
    own = Path(name).suffix == ".py"
    return registry.get("segmenters", "mmseg"), {"config": str(config) if own else config.stem}


def plan_segmenter(
    request: Request,
    name: str,
    preset: Preset,
    train: PreparedData,
    seed: int,
    registry: Registry,
    checkpoint: Path | None,
) -> PlannedSegmenter:
    """Configure a segmenter without training it.

    Args:
        checkpoint: weights that take the place of a training.

    Raises:
        BenchError: the name or an option is unknown, or a file that the options name cannot be read.
    """
    info = train.dataset.info
    entry, implied = find_segmenter(name, registry)
    options = {**request.options.get("segmenter", {}), **request.options.get(name, {}), **implied}
    segmenter_class: type[Segmenter] = entry.load()
    config = configure(segmenter_class, name, options, preset, request.protocol, info)
    model = segmenter_class(config, info)
    facts = {
        "segmenter": [entry.name, entry.plugin],
        # With a checkpoint nothing is trained, so pretrained files do not count.
        "config": config_facts(model.config, None if checkpoint is None else ()),
        "sources": [file_hash(file) for file in model.sources()],
        "code": code_hash(segmenter_class),
        "train": train.facts,
        "seed": seed,
        "precision": request.precision,
        "checkpoint": file_hash(checkpoint) if checkpoint else None,
    }
    return PlannedSegmenter(name, entry, model, seed, facts)
