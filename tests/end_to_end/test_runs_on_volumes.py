"""Volumes through the whole pipeline: run, table, show."""

import json
import shutil
import sys
import types
from collections import Counter

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from segalarm import FitOn, Method, Needs, Scores, Task
from segalarm.benchmark.conformance.colour_segmenter import ColourSegmenter
from segalarm.benchmark.interfaces import Protocol, Sample, Truth
from segalarm.benchmark.interfaces.errors import ExtraMissingError
from segalarm.benchmark.metrics import per_class_dice
from segalarm.benchmark.planning.jobs import Unplanned
from segalarm.benchmark.planning.request import Request
from segalarm.benchmark.plugins.registry import Entry, load_registry
from segalarm.benchmark.run.runner import describe
from segalarm.benchmark.storage.record import read_records
from segalarm.cli import main
from segalarm.datasets.msd import Pancreas
from segalarm.datasets.pancreas_mini import PancreasMini

INFO = PancreasMini.info


class Bright(ColourSegmenter):
    """Takes what is bright for organ, and what is brightest for tumour."""

    def __init__(self, config, dataset):
        super().__init__(config, dataset)
        self._weights[:] = self._weights.new_tensor([[-20.0], [20.0], [40.0]])


class Guess(Method):
    """Confidence for voxels; the mean training Dice, and a little of the size, for volumes."""

    def fit_on(self):
        return FitOn.out_of_fold(self.needs())

    def fit(self, pairs, context):
        found = [
            per_class_dice(pair.prediction.labels.numpy(), pair.sample.truth.label, 3, 255) for pair in pairs
        ]
        assert all(pair.prediction.labels.shape == pair.sample.truth.label.shape for pair in pairs)
        self.mean = np.nan_to_num(np.nanmean(found, axis=0))

    def save(self, folder):
        np.save(folder / "mean.npy", self.mean)

    def load(self, folder, context):
        self.mean = np.load(folder / "mean.npy")

    def needs(self):
        return Needs(probabilities=True)

    def score(self, batch, context):
        return [
            Scores(
                pixel=-item.prediction.confidence.numpy(),
                quality=self.mean + 1e-4 * (item.prediction.labels == 2).sum().item(),
                shown={"half": np.zeros((3, 12, 16, 18), np.uint8)},
            )
            for item in batch
        ]


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    folder = tmp_path_factory.mktemp("volumes")
    Pancreas.toy(folder / "data")
    with pytest.MonkeyPatch.context() as patch:
        plugin = types.ModuleType("guessing")
        vars(plugin).update(Bright=Bright, Guess=Guess)
        patch.setitem(sys.modules, "guessing", plugin)
        entries = load_registry().entries
        tasks = (Task.PIXEL_FAILURE, Task.IMAGE_FAILURE)
        for kind, name, facts in (
            ("segmenters", "bright", {"ndims": (3,)}),
            ("methods", "guess", {"ndims": (3,), "tasks": tasks, "trains": True}),
        ):
            entry = Entry(kind, name, f"guessing:{name.title()}", "here", "0", **facts)
            patch.setitem(entries[kind], name, [entry])

        def call(*words):
            workspace = () if words[0] == "data" else ("--workspace", folder / "workspace")
            return CliRunner().invoke(main, [*map(str, words), *map(str, workspace)])

        call.folder = folder
        yield call


DATA = ("--dataset", "msd-pancreas", "--variant", "toy", "--preset", "smoke")


@pytest.fixture(scope="module")
def ran(bench):
    words = ("--data", bench.folder / "data", "--task", "image-failure,pixel-failure")
    result = bench("run", "--method", "guess,msp", *DATA, "--segmenter", "bright,unet3d", *words)
    assert result.exit_code == 0, result.output
    return result


def test_a_run_leaves_records_of_volumes(bench, ran):
    records = read_records(bench.folder / "workspace" / "records")
    assert Counter(record.identity.method for record in records) == {"guess": 4, "msp": 4}
    for record in records:
        assert record.status == "ok"
        assert "nibabel" in record.provenance.libraries
        assert set(record.segmenter_quality.IoU) == {"background", "pancreas", "tumour"}
        if record.identity.task is Task.IMAGE_FAILURE:
            assert record.counts["images"] == 3
            assert record.images_without["tumour"] == 0
            assert set(record.metrics["per-class"]) == {"MAE", "STD", "Pearson", "Spearman", "AURC"}


def test_the_task_is_the_experiments_where_none_is_named(bench, ran):
    words = ("--data", bench.folder / "data", "--segmenter", "bright", "--dry-run")
    result = bench("run", "--method", "guess", *DATA, *words)
    assert "image-failure" in result.output
    assert "pixel-failure" not in result.output


def test_table_2_shows_the_volumes(bench, ran):
    text = bench("table", 2, "--all-metrics").output
    assert "| Direct Prediction" in text
    assert "23.20" in text
    assert "msd-pancreas (variant toy)" in text
    cells = json.loads(bench("table", 2, "--format", "json", "--all-metrics").output)
    measured = {(c["segmenter"], c["metric"]): c for c in cells if c["method"] == "guess"}
    assert {metric for _, metric in measured} == {"MAE", "STD", "Pearson", "Spearman", "AURC"}
    assert 0 <= measured["bright", "MAE"]["value"] <= 100


def test_one_command_fills_every_row_of_table_2(bench, ran):
    words = ("--data", bench.folder / "data", "--segmenter", "unet3d")
    result = bench("run", "--method", "all", *DATA, *words)
    assert result.exit_code == 0, result.output
    cells = json.loads(bench("table", 2, "--format", "json").output)
    named = {c["label"] for c in cells if c["source"] == "published"} - {"VAE alarm"}
    measured = [c for c in cells if c["source"] == "measured" and c["segmenter"] == "unet3d"]
    assert {"Jungo et al.", "SynthCP + VAE", "VAE (our imple.)"} <= named
    for label in named:
        values = [
            c["value"] for c in measured if c["label"].split(" (head")[0] == label and c["metric"] == "MAE"
        ]
        assert values, label
        assert all(0 <= value <= 100 for value in values), label


def test_structures_have_rows_of_their_own(bench, ran):
    cells = json.loads(bench("table", 2, "--format", "json", "--per-class").output)
    assert {cell["class"] for cell in cells} == {"pancreas", "tumour"}


def test_pictures_of_volumes_are_slices(bench, ran):
    for task, kinds in (("pixel-failure", ["panels"] * 3), ("image-failure", ["panels"] * 3 + ["scatter"])):
        out = bench.folder / task
        words = ("--data", bench.folder / "data", "--segmenter", "bright", "--task", task, "--out", out)
        result = bench("show", "--method", "guess", *DATA, *words)
        assert result.exit_code == 0, result.output
        files = sorted(out.glob("*.png"))
        assert len(files) == len(kinds)
        assert sum("_guess_" in file.name for file in files) == kinds.count("scatter")
        for file in files:
            assert len(np.unique(np.asarray(Image.open(file).convert("L")))) > 10


@pytest.mark.parametrize("folder", ["imagesTr", "labelsTr"])
def test_a_truncated_volume_is_one_error_that_names_it(bench, folder, tmp_path):
    copy = shutil.copytree(bench.folder / "data", tmp_path / "data")
    for file in sorted((copy / folder).iterdir()):
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    result = bench(
        "run", "--method", "msp", *DATA, "--data", copy, "--segmenter", "bright", "--rerun", "always"
    )
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert f"{folder}/pancreas_" in result.output


@pytest.mark.parametrize("datasets", [(), ("pancreas-mini",)])
def test_a_missing_extra_is_a_reason_to_skip_unless_the_data_set_was_asked_for(
    datasets, tmp_path, monkeypatch
):
    unplanned = Unplanned("pancreas-mini", ExtraMissingError("reading volumes", "medical", "nibabel"))
    monkeypatch.setattr("segalarm.benchmark.run.runner.plan", lambda request, registry: [unplanned])
    outcome = describe(Request(datasets=datasets, workspace=tmp_path), load_registry(), print)
    assert outcome.failed is bool(datasets)
    assert (outcome.errors or outcome.absent) == [unplanned]
    assert "pip install 'segalarm[medical]'" in str(unplanned.error)


def volume(label):
    truth = Truth(label, None, np.ones(label.shape, bool))
    ramp = np.linspace(0, 1, label.size, dtype=np.float32).reshape(1, *label.shape)
    return Sample("case", lambda: ramp, lambda: truth)


def test_the_protocol_changes_nothing_in_volumes():
    from segalarm.benchmark.evaluation.by_task import make_evaluator

    found = []
    for protocol in Protocol:
        evaluator = make_evaluator(Task.IMAGE_FAILURE, INFO, protocol)
        label, labels = np.zeros((2, 4, 5, 6), np.int64)
        label[0], labels[1] = 1, 2
        evaluator.update(volume(label), labels, Scores(quality=np.array([1, 0.5, 0.5])))
        found.append(evaluator.result())
    assert found[0].counts == found[1].counts
    assert np.isnan(found[0].metrics["per-class"]["MAE"])
    assert np.isnan(found[1].metrics["per-class"]["MAE"])
