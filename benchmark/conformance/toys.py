"""The data sets in miniature that plugins are tried on, and the context of such a trial."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..interfaces import Config, Context, Dataset, Segmenter, Task
from ..plugins.registry import load_registry
from ..storage.store import Store

TOYS = {
    2: {Task.ANOMALY: "streethazards", Task.PIXEL_FAILURE: "cityscapes", Task.IMAGE_FAILURE: "cityscapes"},
    3: {Task.PIXEL_FAILURE: "msd-pancreas", Task.IMAGE_FAILURE: "msd-pancreas"},
}
"""Number of dimensions -> task -> the data set whose miniature methods and segmenters are tried on."""


def toy_class(task: Task, ndim: int) -> type[Dataset]:
    """The data set of a task; its `toy` writes the miniature."""
    dataset_class: type[Dataset] = load_registry().get("datasets", TOYS[ndim][task]).load()
    return dataset_class


def made_toy(dataset_class: type[Dataset], folder: Path) -> Dataset:
    """A data set in miniature, written below a folder and prepared."""
    dataset = dataset_class.toy(folder / "toy")
    dataset.prepare()
    return dataset


def toy_context(dataset: Dataset, folder: Path, segmenter: Segmenter | None) -> Context:
    """The context of a run on the CPU, with seed 0, that keeps its artifacts below a folder."""
    store = Store(folder / "store")

    def artifact(
        name: str,
        config: Config,
        build: Callable[[Path, Context], None],
        *,
        seed: int = 0,
        inputs: Sequence[str] = (),
    ) -> Path:
        facts = {"config": config.model_dump(mode="json"), "seed": seed, "inputs": list(inputs)}
        return store.get(
            name,
            facts,
            lambda made, scratch: build(made, replace(context, workspace=scratch, segmenter=None, seed=seed)),
        )

    def track(items: Iterable[Any], description: str, total: int | None) -> Iterable[Any]:
        return items

    scratch = Path(tempfile.mkdtemp(dir=folder))
    context = Context(
        dataset.info, dataset.samples("train"), "cpu", "32", 0, scratch, segmenter, track, artifact
    )
    return context
