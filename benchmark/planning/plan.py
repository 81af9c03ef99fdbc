"""The plan of a run: which groups of jobs a request stands for."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace

from ..interfaces import Dataset, DatasetInfo, Preset
from ..interfaces.errors import AbsentError, BenchError, DataMissingError, UnknownNameError
from ..plugins.registry import Registry
from .inputs import PreparedData, find_segmenter, plan_segmenter, prepare_data, training_data
from .job_planner import with_jobs
from .jobs import Group, Unplanned
from .request import Request


def plan(request: Request, registry: Registry) -> Iterator[Group | Unplanned]:
    """The groups of a run, data set by data set; `Unplanned` for one that cannot be planned.

    Raises:
        BenchError: a name that the request spells out is unknown or registered twice.
    """
    check_names(request, registry)
    for name in request.datasets or registry.names("datasets"):
        try:
            dataset_class: type[Dataset] = registry.get("datasets", name).load()
            preset = request.preset or dataset_class.info.default_preset
            data, train = _data(request, name, preset, registry)
        except BenchError as error:
            yield Unplanned(name, error)
            continue
        info = dataset_class.info
        usual = info.segmenters if preset is Preset.FULL else info.light
        names = usual if request.segmenters == ("all",) else request.segmenters or usual[:1]
        for segmenter, seed in itertools.product(names, request.seeds):
            try:
                group = _empty_group(request, registry, data, train, segmenter, preset, seed)
                yield with_jobs(request, registry, group)
            except BenchError as error:
                yield Unplanned(f"{name} with {segmenter}", error)


def plan_without_records(request: Request, registry: Registry, say: Callable[[str], None]) -> list[Group]:
    """Plan a command that writes no records, such as `bench show`: existing records are ignored.

    Of all data sets, those that are not on this machine are left out, and a line says so.

    Raises:
        BenchError: something else cannot be planned.
    """
    groups = []
    for group in plan(replace(request, rerun="always"), registry):
        if isinstance(group, Unplanned):
            if request.datasets or not isinstance(group.error, AbsentError):
                raise group.error
            say(f"skipped {group.name}: {group.error}")
            continue
        for unplanned in group.unplanned:
            raise unplanned.error
        groups.append(group)
    return groups


def check_names(request: Request, registry: Registry) -> None:
    """Check that every name which the request spells out is known.

    Raises:
        BenchError: a name is unknown or registered twice.
    """
    for name in request.methods:
        registry.get("methods", name)
    for name in (*request.datasets, *filter(None, [request.train_dataset])):
        registry.get("datasets", name)
    segmenters = [n for n in (*request.segmenters, request.train_segmenter) if n not in (None, "all")]
    for name in filter(None, segmenters):
        find_segmenter(name, registry)
    owners = {*registry.names("methods"), *registry.names("segmenters"), *filter(None, segmenters)}
    for name in {**request.options, **request.sweeps}:
        if name not in owners | {"segmenter"}:
            raise UnknownNameError("method or segmenter of --set or --sweep", name, owners | {"segmenter"})
    for name in {*request.variants, *request.data} - {"", *registry.names("datasets")}:
        raise UnknownNameError("data set", name, registry.names("datasets"))


def _data(
    request: Request, name: str, preset: Preset, registry: Registry
) -> tuple[PreparedData, PreparedData]:
    """The data set of a name, and the data set that is trained on.

    Raises:
        BenchError: one of them is missing or malformed, or there is nothing to train on.
    """
    learns = request.checkpoint is None
    info: DatasetInfo = registry.get("datasets", name).load().info
    # Said before the folder is looked for: no folder of this data set has a training split.
    if learns and request.train_dataset in (None, name) and "train" not in info.splits:
        raise DataMissingError(_no_training(name))
    data = prepare_data(request, name, preset, registry)
    train = training_data(request, data, preset, registry)
    if learns and not train.train:
        # A missing training split is a mistake only of a data set that was named to be trained on.
        missing = DataMissingError if train is data else BenchError
        raise missing(_no_training(train.entry.name))
    return data, train


def _no_training(name: str) -> str:
    return f"data set '{name}' has no training split: give --train-dataset NAME, or a --checkpoint"


def _empty_group(
    request: Request,
    registry: Registry,
    data: PreparedData,
    train: PreparedData,
    name: str,
    preset: Preset,
    seed: int,
) -> Group:
    """A group without jobs."""
    own_seed = seed if request.segmenter_seed is None else request.segmenter_seed
    segmenter = plan_segmenter(request, name, preset, train, own_seed, registry, request.checkpoint)
    teacher = segmenter
    if request.train_segmenter not in (None, name):
        teacher = plan_segmenter(request, request.train_segmenter, preset, train, own_seed, registry, None)
    return Group(data, train, segmenter, teacher, preset, seed)
