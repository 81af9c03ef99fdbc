"""The checks of a data set."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from ..data.sample_form import fault_of_form
from ..interfaces import VOID, Dataset, DatasetInfo, Sample, Task
from ..interfaces.errors import BenchError
from ..plugins.registry import Entry
from .requirement import Check, NonconformingError, require, require_subclass
from .toys import made_toy

WITHOUT_IMAGES = (".json", ".txt", ".csv", ".md")
"""Endings of files that `_check_truncated` leaves alone."""


def dataset_checks(entry: Entry) -> Iterator[Check]:
    """The checks of a registered data set."""
    yield Check("declares what it registers", partial(_check_declares, entry))
    yield Check("gives samples of the right kind", partial(_check_samples, entry))
    yield Check("writes its marker into the toy", partial(_check_marker, entry))
    yield Check("gives the same samples each time", partial(_check_order, entry))
    yield Check("reads in worker processes", partial(_check_pickles, entry))
    yield Check("names an empty folder", partial(_check_empty, entry))
    yield Check("names a truncated file", partial(_check_truncated, entry))


def _check_declares(entry: Entry, folder: Path) -> None:
    dataset_class = entry.load()
    require_subclass(dataset_class, Dataset, entry.target)
    info = dataset_class.info
    require(info.name == entry.name, f"it is registered as {entry.name}, but info.name is {info.name}")
    require(
        set(info.tasks) == set(entry.tasks),
        f"it is registered with tasks {entry.tasks}, but info.tasks is {info.tasks}",
    )
    require(set(info.default_tasks) <= set(info.tasks), "info.default_tasks holds a task that tasks lacks")
    require(len(set(info.classes)) == len(info.classes), "info.classes holds a name twice")
    require(len(info.palette) == len(info.classes), "info.palette and info.classes differ in number")
    for name in ("summary", "revision", "licence", "citation", "source", "layout"):
        require(getattr(info, name), f"info.{name} is empty")


def _check_samples(entry: Entry, folder: Path) -> None:
    dataset = made_toy(entry.load(), folder)
    test = dataset.samples("test")
    require(len(test), "the toy has no test samples")
    for sample in [*dataset.samples("train"), *dataset.samples("validation"), *test]:
        _require_sample(sample, dataset.info)
    if Task.ANOMALY in dataset.info.tasks:
        scored = [_require_anomaly_mask(sample) for sample in test]
        require(any(scored), "no test sample of the toy holds an anomalous pixel")


def _check_marker(entry: Entry, folder: Path) -> None:
    """A folder of any name is recognised by the marker, if the data set declares one."""
    dataset_class = entry.load()
    marker = dataset_class.marker
    if marker is not None:
        root = made_toy(dataset_class, folder).root
        require(any(root.glob(marker)), f"the toy does not hold the marker '{marker}'")


def _require_sample(sample: Sample, info: DatasetInfo) -> None:
    image, truth = sample.image, sample.truth
    where = f"sample {sample.key}"
    fault = fault_of_form(sample, info)
    require(fault is None, fault or "")
    require(np.isfinite(image).all(), f"{where}: image is not finite")
    if info.channels == 3:
        require(image.min() >= 0 and image.max() <= 1, f"{where}: image leaves [0, 1]")
    known = (truth.label == VOID) | ((truth.label >= 0) & (truth.label < len(info.classes)))
    require(known.all(), f"{where}: a label is neither a class nor void")


def _require_anomaly_mask(sample: Sample) -> bool:
    """Check the anomaly mask of a sample. Returns whether the sample holds an anomalous pixel."""
    mask = sample.truth.anomaly
    require(mask is not None, f"sample {sample.key}: the anomaly mask is missing")
    assert mask is not None
    require(mask.dtype == np.bool_, f"sample {sample.key}: the anomaly mask is {mask.dtype}, not bool")
    not_valid = int(np.count_nonzero(mask & ~sample.truth.valid))
    require(
        not not_valid,
        f"sample {sample.key}: {not_valid} anomalous pixels are not `valid`: unknown objects must stay valid",
    )
    return bool(mask.any())


def _check_order(entry: Entry, folder: Path) -> None:
    dataset = made_toy(entry.load(), folder)
    first = [sample.key for sample in dataset.samples("test")]
    second = [sample.key for sample in type(dataset)(dataset.root).samples("test")]
    require(first == second, "the test samples come in another order the second time")
    require(len(set(first)) == len(first), "two samples have the same key")
    samples = dataset.samples("test")
    require(
        samples[0] is not samples[0],
        "indexing samples() twice gives the same object, whose arrays stay in memory: make a new Sample",
    )


def _check_pickles(entry: Entry, folder: Path) -> None:
    sample = made_toy(entry.load(), folder).samples("test")[0]
    copy = pickle.loads(pickle.dumps(sample))
    require(np.array_equal(copy.image, sample.image), "a pickled sample reads another image")


def _check_empty(entry: Entry, folder: Path) -> None:
    dataset_class = entry.load()
    if dataset_class.generated:
        return
    empty = folder / "empty"
    empty.mkdir()
    try:
        dataset_class(empty).prepare()
    except BenchError as error:
        require(str(empty) in str(error), f"the error does not name the folder: {error}")
    else:
        raise NonconformingError("prepare() raises no BenchError for an empty folder")


def _check_truncated(entry: Entry, folder: Path) -> None:
    dataset = made_toy(entry.load(), folder)
    for file in sorted(dataset.root.rglob("*")):
        if not file.is_file() or file.suffix in WITHOUT_IMAGES:
            continue
        whole = file.read_bytes()
        file.write_bytes(whole[: len(whole) // 2])
        try:
            for split in ("train", "validation", "test"):
                for sample in dataset.samples(split):
                    _ = sample.image, sample.truth
        except BenchError as error:
            require(file.name in str(error), f"the error does not name {file.name}: {error}")
        except Exception as error:
            raise NonconformingError(
                f"a truncated {file.name} raises {type(error).__name__}, not a BenchError: {error}"
            ) from error
        else:
            raise NonconformingError(f"a truncated {file.name} is read without an error")
        file.write_bytes(whole)
        return
