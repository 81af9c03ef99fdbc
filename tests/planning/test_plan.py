"""What a run consists of."""

import importlib.util
import sys
from collections import defaultdict
from types import SimpleNamespace

import pytest
from segalarm.benchmark.interfaces import Config, Option, Preset, Task
from segalarm.benchmark.planning.job_planner import code_of
from segalarm.benchmark.planning.plan import plan
from segalarm.benchmark.planning.request import Request
from segalarm.benchmark.plugins.registry import Entry, load_registry
from segalarm.benchmark.run.runner import describe
from segalarm.datasets.cityscapes import Cityscapes
from segalarm.datasets.streethazards import StreetHazards
from segalarm.methods.knn import KNN
from segalarm.methods.msp import MSP
from segalarm.methods.synthcp.method import SynthCP

STREETS = {"datasets": ("streethazards",), "tasks": (Task.ANOMALY,)}
FAILURE = (Task.PIXEL_FAILURE, Task.IMAGE_FAILURE)
NO_TRAINING = "data set 'roadanomaly' has no training split: give --train-dataset NAME, or a --checkpoint"
SKIPPED_IN_VOLUMES = {"tcp": "tcp: segmenters of volumes offer no feature maps to a confidence branch"}
CRF = importlib.util.find_spec("pydensecrf") is not None


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trees")
    Cityscapes.toy(folder / "cityscapes")
    StreetHazards.toy(folder / "streethazards")
    return folder


def jobs(tree, **more):
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
    (group,) = plan(request, load_registry())
    assert not group.unplanned
    return list(group.jobs)


def rows(found, key):
    return {(job.identity.task, job.identity.method_config[key]) for job in found}


def test_all_methods_are_those_that_do_the_task_in_every_row_of_the_table(tree):
    found = jobs(tree)
    assert all(job.identity.task in job.entry.tasks for job in found)
    assert rows([c for c in found if c.entry.name == "synthcp"], "head") == {
        (Task.PIXEL_FAILURE, "joint"),
        (Task.PIXEL_FAILURE, "pixel"),
        (Task.IMAGE_FAILURE, "joint"),
        (Task.IMAGE_FAILURE, "image"),
    }
    # The one method of an extra says so where the extra is not installed.
    missing = set() if CRF else {"msp-crf"}
    assert {job.entry.name for job in found if job.skipped} == missing
    assert all("segalarm[crf]" in job.skipped for job in found if job.skipped)
    assert all(job.waiting for job in found if job.entry.name not in missing)


def test_a_method_that_is_named_runs_as_it_is_set(tree):
    assert rows(jobs(tree, methods=("synthcp",)), "head") == {(task, "joint") for task in FAILURE}
    chosen = jobs(tree, options={"synthcp": {"head": "joint"}})
    assert rows([c for c in chosen if c.entry.name == "synthcp"], "head") == {(t, "joint") for t in FAILURE}
    skipped = [job.skipped for job in jobs(tree, methods=("knn",)) if job.skipped]
    assert skipped == ["knn does not do image-failure"]


class SlopeConfig(Config):
    slope: float
    power: float = 1.0


class Slope(MSP):
    """A method whose slope has no value unless one is given."""

    Config = SlopeConfig

    def options(self):
        return [Option("slope", rows=(1, 2)), Option("power", candidates=(1.0, 3.0))]


@pytest.fixture
def slope(monkeypatch):
    monkeypatch.setitem(sys.modules, "sloping", SimpleNamespace(Slope=Slope))
    entry = Entry("methods", "slope", "sloping:Slope", "here", "0", tasks=(*FAILURE, Task.ANOMALY))
    monkeypatch.setitem(load_registry().entries["methods"], "slope", [entry])


def test_an_option_without_a_value_of_its_own_is_swept(tree, slope):
    found = jobs(tree, methods=("slope",), sweeps={"slope": {"slope": (3, 4)}})
    assert rows(found, "slope") == {(task, value) for task in FAILURE for value in (3, 4)}
    assert all(job.compared == {"slope": (3, 4)} for job in found)


def test_rows_and_candidates_are_those_of_the_methods_options(tree, slope):
    found = [job for job in jobs(tree, options={"slope": {"slope": 3}}) if job.entry.name == "slope"]
    assert rows(found, "slope") == {(task, 3) for task in FAILURE}
    sweeps = {"slope": {"power": (2.0, 4.0)}}
    options = {"slope": {"slope": 3}}
    swept = jobs(tree, methods=("slope",), options=options, sweeps=sweeps)
    assert all(job.compared == sweeps["slope"] and not job.candidates for job in swept)
    tuned = jobs(tree, methods=("slope",), options=options, tune_on="validation", **STREETS)
    assert [len(job.candidates) for job in tuned] == [2]
    assert tuned[0].identity.tuned.options == {"power": [1.0, 3.0]}


def test_the_code_of_the_methods_inside_a_method_counts(tree):
    sweeps = {"synthcp": {"gate_with": ("msp", "knn", "mahalanobis")}}
    found = jobs(tree, methods=("synthcp",), sweeps=sweeps, **STREETS)
    assert len({job.code for job in found}) == 3
    _, knn, _ = found
    assert code_of(knn.method) == [SynthCP, KNN]


def test_a_segmenter_of_other_classes_is_refused(tree):
    found = jobs(tree, methods=("msp",), tasks=FAILURE[:1], train_dataset="streethazards")
    assert [job.skipped for job in found] == ["streethazards, trained on, has other classes than cityscapes"]


def test_whose_predictions_a_method_learned_from_is_part_of_its_record(tree):
    own = jobs(tree, methods=("direct-prediction", "msp"))
    other = jobs(tree, methods=("direct-prediction", "msp"), train_segmenter="ddrnet")
    same = jobs(tree, methods=("direct-prediction", "msp"), train_segmenter="lite0")
    for mine, theirs, again in zip(own, other, same, strict=True):
        assert mine.identity == again.identity
        learns = mine.entry.name == "direct-prediction"
        assert theirs.identity.train_segmenter == ("ddrnet" if learns else None)
        assert (mine.identity.key == theirs.identity.key) != learns


@pytest.fixture(scope="module")
def every(tmp_path_factory):
    """The toys of all data sets, each where a run looks for it."""
    folder = tmp_path_factory.mktemp("every")
    for name in load_registry().names("datasets"):
        kind = load_registry().get("datasets", name).load()
        kind.toy(folder / "workspace" / "data" / name if kind.generated else folder / kind.info.folders[0])
    return folder


def planned(every, **more):
    request = {"data": {"": every}, "variants": {"": "toy"}, "preset": Preset.SMOKE}
    request |= {"workspace": every / "workspace", **more}
    return describe(Request(**request), load_registry(), lambda line: None)


def named(unplanned):
    """(name, reason) of what could not be planned."""
    return [(one.name, str(one.error)) for one in unplanned]


def fates(outcome):
    """(method, data set, task) -> why its jobs are skipped, else their state; a set of one."""
    found = defaultdict(set)
    for result in outcome.results:
        run = result.identity
        found[run.method, run.dataset, run.task].add(result.reason or result.state)
    return found


def test_all_on_all_is_every_method_on_every_task_that_there_is_ground_truth_for(every):
    registry = load_registry()
    outcome = planned(every)
    found = fates(outcome)
    assert outcome.errors == []
    assert named(outcome.absent) == [("roadanomaly", NO_TRAINING)]
    # Neither is its data set's usual task.
    assert found["msp", "pancreas-mini", Task.PIXEL_FAILURE] == {"to run"}
    assert found["msp", "streethazards", Task.IMAGE_FAILURE] == {"to run"}

    expected = {}
    for name in set(registry.names("datasets")) - {"roadanomaly"}:
        data = registry.get("datasets", name)
        special = SKIPPED_IN_VOLUMES if data.load().info.ndim == 3 else {}
        for method in registry.names("methods"):
            for task in set(data.tasks) & set(registry.get("methods", method).tasks):
                expected[method, name, task] = {special.get(method, "to run")}
    # What the one method of an extra says depends on whether that is installed.
    crf = {key: (found.pop(key), expected.pop(key)) for key in list(expected) if key[0] == "msp-crf"}
    assert found == expected
    for (_, name, _), ((reason,), _) in crf.items():
        in_volumes = registry.get("datasets", name).load().info.ndim == 3
        assert (reason == "to run") == (CRF and not in_volumes)


def test_a_data_set_that_is_named_keeps_to_its_published_tasks_unless_asked_for_all(every):
    for name, usual in (("streethazards", Task.ANOMALY), ("pancreas-mini", Task.IMAGE_FAILURE)):
        some = fates(planned(every, datasets=(name,), methods=("msp",)))
        every_task = fates(planned(every, datasets=(name,), methods=("msp",), tasks=tuple(Task)))
        assert set(some) == {("msp", name, usual)}
        tasks = load_registry().get("datasets", name).tasks
        assert set(every_task) == {("msp", name, task) for task in tasks}


def test_a_data_set_without_a_training_split_is_an_error_where_it_was_asked_for(every):
    alone = planned(every, methods=("msp",), datasets=("roadanomaly",))
    assert (alone.results, alone.absent, named(alone.errors)) == ([], [], [("roadanomaly", NO_TRAINING)])
    # With all data sets no reason to fail, be its tree absent or not the release.
    for data in ({}, {"roadanomaly": every}):
        skipped = planned(every, methods=("msp",), data=data, variants={})
        assert ("roadanomaly", NO_TRAINING) in named(skipped.absent)
    trained = planned(every, methods=("msp",), datasets=("roadanomaly",), train_dataset="cityscapes")
    assert fates(trained) == {("msp", "roadanomaly", Task.ANOMALY): {"to run"}}
    to_train_on = planned(every, methods=("msp",), train_dataset="roadanomaly")
    assert ("camvid", NO_TRAINING) in named(to_train_on.errors)


def test_a_missing_data_set_to_train_on_fails_what_is_to_be_tested(every):
    data = {"camvid": every / "CamVid"}
    outcome = planned(every, methods=("msp",), data=data, train_dataset="cityscapes")
    reasons = dict(named(outcome.errors))
    assert "--train-dataset cityscapes" in reasons["camvid"]
    assert "msd-heart" not in reasons


def test_the_folder_of_one_task_of_the_decathlon_is_that_tasks_alone(every):
    folder = every / "Task07_Pancreas"
    outcome = planned(every, methods=("msp",), data={"": folder})
    assert outcome.errors == []
    assert {"msd-pancreas"} == {name for _, name, _ in fates(outcome) if name.startswith("msd-")}
    assert sum(name.startswith("msd-") for name, _ in named(outcome.absent)) == 9

    heart = planned(every, methods=("msp",), datasets=("msd-heart",), data={"": folder})
    ((_, reason),) = named(heart.errors)
    assert f"'msd-heart' is not in {folder}" in reason
    assert "bench data msd-heart --fetch" in reason
