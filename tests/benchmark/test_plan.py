"""What a run consists of."""

import importlib.util

import pytest
from segalarm.benchmark.interfaces import Preset, Task
from segalarm.benchmark.plan import groups
from segalarm.benchmark.plugins import load_registry
from segalarm.benchmark.request import Request
from segalarm.datasets.cityscapes import Cityscapes
from segalarm.datasets.streethazards import StreetHazards

FAILURE = (Task.PIXEL_FAILURE, Task.IMAGE_FAILURE)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trees")
    Cityscapes.toy(folder / "cityscapes")
    StreetHazards.toy(folder / "streethazards")
    return folder


def cells(tree, **more):
    request = Request(
        **{
            "datasets": ("cityscapes",),
            "tasks": FAILURE,
            "variants": {"": "toy"},
            "data": {"": tree},
            "preset": Preset.SMOKE,
            "workspace": tree / "workspace",
            **more,
        }
    )
    (group,) = groups(request, load_registry())
    assert not group.errors
    return group.cells


def rows(found, key):
    return {(cell.identity.task, cell.identity.method_config[key]) for cell in found}


def test_all_methods_are_those_that_do_the_task_in_every_row_of_the_table(tree):
    found = cells(tree)
    assert all(cell.identity.task in cell.entry.tasks for cell in found)
    assert rows([c for c in found if c.entry.name == "synthcp"], "head") == {
        (Task.PIXEL_FAILURE, "joint"),
        (Task.PIXEL_FAILURE, "pixel"),
        (Task.IMAGE_FAILURE, "joint"),
        (Task.IMAGE_FAILURE, "image"),
    }
    # The one method of an extra says so where the extra is not installed.
    missing = set() if importlib.util.find_spec("pydensecrf") else {"msp-crf"}
    assert {cell.entry.name for cell in found if cell.state == "skipped"} == missing
    assert all("segalarm[crf]" in cell.reason for cell in found if cell.state == "skipped")
    assert {cell.state for cell in found if cell.entry.name not in missing} == {"to run"}


def test_a_method_that_is_named_runs_as_it_is_set(tree):
    assert rows(cells(tree, methods=("synthcp",)), "head") == {(task, "joint") for task in FAILURE}
    chosen = cells(tree, options={"synthcp": {"head": "joint"}})
    assert rows([c for c in chosen if c.entry.name == "synthcp"], "head") == {(t, "joint") for t in FAILURE}
    skipped = [c for c in cells(tree, methods=("knn",)) if c.state == "skipped"]
    assert [c.reason for c in skipped] == ["knn does not do image-failure"]


def test_a_segmenter_of_other_classes_is_refused(tree):
    found = cells(tree, methods=("msp",), tasks=FAILURE[:1], train_dataset="streethazards")
    assert [cell.state for cell in found] == ["skipped"]
    assert found[0].reason == "streethazards, trained on, has other classes than cityscapes"


def test_whose_predictions_a_method_learned_from_is_part_of_its_record(tree):
    own = cells(tree, methods=("direct-prediction", "msp"))
    other = cells(tree, methods=("direct-prediction", "msp"), train_segmenter="ddrnet")
    same = cells(tree, methods=("direct-prediction", "msp"), train_segmenter="lite0")
    for mine, theirs, again in zip(own, other, same, strict=True):
        assert mine.identity == again.identity
        learns = mine.entry.name == "direct-prediction"
        assert theirs.identity.train_segmenter == ("ddrnet" if learns else None)
        assert (mine.identity.key == theirs.identity.key) != learns
