"""The values that methods and segmenters take from the facts of a data set, never from its name."""

from dataclasses import replace
from itertools import product

import pytest
from segalarm.benchmark.interfaces import DatasetInfo, Preset, Protocol, Task
from segalarm.benchmark.plugins.registry import load_registry
from segalarm.datasets.cityscapes import Cityscapes
from segalarm.datasets.streethazards import StreetHazards
from segalarm.datasets.streethazards_mini import StreetHazardsMini
from segalarm.methods.knn import KNN

DATASETS = load_registry().names("datasets")
TINY = DatasetInfo(
    name="acme-tiny",
    summary="generated scenes of another distribution",
    revision="1",
    tasks=(Task.ANOMALY, Task.PIXEL_FAILURE, Task.IMAGE_FAILURE),
    classes=("road", "car"),
    palette=((0, 0, 0), (1, 1, 1)),
    splits={"train": 8, "test": 4},
    licence="MIT",
    citation="none",
    source="generated",
    layout="none",
    default_tasks=(Task.ANOMALY,),
    miniature=True,
)


def defaults(info, presets=tuple(Preset)):
    registry = load_registry()
    return {
        (kind, name, preset, protocol): registry.get(kind, name).load().defaults(preset, protocol, info)
        for kind in ("methods", "segmenters")
        for name, preset, protocol in product(registry.names(kind), presets, Protocol)
    }


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_name_of_a_data_set_changes_nothing(dataset):
    info = load_registry().get("datasets", dataset).load().info
    assert defaults(replace(info, name="acme-tiny")) == defaults(info)
    assert defaults(replace(info, name="streethazards-mini")) == defaults(info)


def test_a_miniature_of_another_distribution_trains_as_briefly_as_streethazards_mini():
    presets = (Preset.SMALL, Preset.SMOKE)
    own = defaults(StreetHazardsMini.info, presets)
    assert defaults(TINY, presets) == own
    assert defaults(replace(TINY, miniature=False), presets) != own


def test_published_features_are_averaged_over_the_scales_of_the_data_set():
    info = replace(TINY, test_scales=(64, 96))
    for preset in Preset:
        scales = KNN.defaults(preset, Protocol.OFFICIAL, info)["scales"]
        assert scales == ((64, 96) if preset is Preset.FULL else ())


def test_the_cgan_is_that_of_the_published_experiment():
    """Of the experiment on anomalies or, in any other data set, of that on failures."""
    synthcp = load_registry().get("methods", "synthcp").load()
    settings = Preset.FULL, Protocol.OFFICIAL
    anomalies, failures = (
        synthcp.defaults(*settings, replace(TINY, default_tasks=tasks))["cgan"]
        for tasks in ((Task.ANOMALY,), (Task.IMAGE_FAILURE,))
    )
    assert anomalies == synthcp.defaults(*settings, StreetHazards.info)["cgan"]
    assert failures == synthcp.defaults(*settings, Cityscapes.info)["cgan"]
    assert anomalies != failures
