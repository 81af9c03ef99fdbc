"""Tables beyond what the paper prints: class by class, other metrics, numbers that are undefined."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from segalarm.benchmark.interfaces import Task
from segalarm.benchmark.plugins.registry import load_registry
from segalarm.benchmark.storage.record import Record, read_records
from segalarm.benchmark.storage.record_parts import SegmenterQuality
from segalarm.cli import main
from segalarm.results.tables.build import build_table
from segalarm.results.tables.matrix import build_matrix
from segalarm.results.tables.paper import TABLE1, TABLE2
from segalarm.results.tables.render import render

NAN = float("nan")
QUALITY = SegmenterQuality(mIoU=0.575, IoU={})


@pytest.fixture(scope="module")
def example():
    folder = Path(__file__).parents[2] / "results" / "records"
    return next(r for r in read_records(folder) if r.identity.task == "pixel-failure")


def image_record(example, method, pearson, train_segmenter=None, **config):
    who = example.identity.model_copy(
        update={
            "method": method,
            "task": Task.IMAGE_FAILURE,
            "method_config": config,
            "train_segmenter": train_segmenter,
        }
    )
    defined = [value for value in pearson.values() if value == value]
    mean = sum(defined) / len(defined) if defined else NAN
    error = {cls: NAN if cls == "bus" else 0.1 for cls in pearson}
    return Record(
        identity=who,
        status="ok",
        provenance=example.provenance,
        metrics={"per-class": {"MAE": 0.1, "STD": 0.1, "Pearson": mean, "Spearman": mean}},
        per_class={"MAE": error, "STD": error, "Pearson": pearson, "Spearman": pearson},
        segmenter_quality=QUALITY,
    )


def printed(*records, **options):
    return render(build_table(TABLE1, records, variant="camvid", **options))


def test_every_class_is_a_row_of_a_grid_a_metric(example):
    records = [
        image_record(example, "vae-alarm", {"road": 0.4, "car": NAN, "bus": NAN}),
        image_record(example, "synthcp", {"road": 0.6, "car": 0.2, "bus": NAN}, head="joint"),
    ]
    text = printed(*records, per_class=True)
    grid = text[text.index("image level, Pearson ↑ of each class") :].split("\n\n")
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in grid[1].splitlines()]
    assert lines[0] == ["Class", "VAE alarm", "SynthCP-joint"]
    assert lines[2] == ["road", "40.00", "**60.00**"]
    assert lines[3] == ["car", "undefined [1]", "20.00"]
    assert lines[4] == ["bus", "undefined [2]", "undefined [2]"]
    assert "[1] A correlation needs two images" in grid[2]
    assert "[2] No test image holds bus." in grid[2]
    assert "pixel level" not in text


def test_an_average_over_fewer_classes_than_were_scored_says_so(example):
    text = printed(image_record(example, "vae-alarm", {"road": 0.4, "car": NAN, "bus": NAN}))
    assert "Pearson is the mean over 1 of 2 classes that were scored." in text
    text = printed(image_record(example, "vae-alarm", {"road": 0.4, "car": 0.1, "bus": NAN}))
    assert "Pearson is the mean" not in text


def test_a_constant_prediction_is_undefined_and_the_table_says_why(example):
    text = printed(image_record(example, "vae-alarm", {"road": NAN, "car": NAN, "bus": NAN}))
    row = next(line for line in text.splitlines() if line.startswith("| VAE alarm") and "10.00" in line)
    assert row.count("undefined [1]") == 2
    assert "[1] A correlation needs two images whose predicted and whose actual values differ." in text


def test_a_method_fitted_on_another_segmenter_has_a_row_of_its_own(example):
    pearson = {"road": 0.4}
    records = [
        image_record(example, "synthcp", pearson, head="joint"),
        image_record(example, "synthcp", pearson, "ddrnet", head="joint"),
    ]
    rows = [line.split("|")[1].strip() for line in printed(*records).splitlines() if "40.00" in line]
    assert rows == ["SynthCP-joint", "synthcp (fitted on=ddrnet, head=joint)"]


def test_the_published_generalisation_row_is_filled_where_its_segmenters_ran(example):
    record = image_record(example, "synthcp", {"road": 0.4}, "deeplab", head="joint")
    record = record.model_copy(update={"identity": record.identity.model_copy(update={"segmenter": "fcn8s"})})
    rows = [line.split("|")[1].strip() for line in printed(record).splitlines() if "40.00" in line]
    assert rows == ["SynthCP trained on Deeplab-v2"]


def test_all_metrics_adds_risks_calibration_and_the_segmenters_iou(example):
    more = {"AURC": 0.02, "AUGRC": 0.01, "E-AURC": 0.005, "ECE": NAN}
    metrics = {**example.metrics, "pooled": {**example.metrics["pooled"], **more}}
    record = example.model_copy(update={"metrics": metrics, "segmenter_quality": QUALITY})
    plain, full = printed(record), printed(record, all_metrics=True)
    assert "AURC" not in plain
    assert "mIoU" not in plain
    assert "segmenter lite0 (mIoU 57.50)" in full
    row = next(line for line in full.splitlines() if "2.00" in line and "0.50" in line)
    assert row.rstrip("| ").endswith("undefined [1]")
    assert "[1] The method estimates no probability of being right" in full


def test_machines_get_the_class_too(example):
    record = image_record(example, "vae-alarm", {"road": 0.4, "car": NAN, "bus": NAN})
    table = build_table(TABLE1, [record], variant="camvid", per_class=True)
    cells = json.loads(render(table, "json"))
    (road,) = [cell for cell in cells if cell["metric"] == "Pearson" and cell["class"] == "road"]
    assert road["value"] == pytest.approx(40)
    assert road["mIoU"] == pytest.approx(57.5)


def test_volumes_without_the_structure_are_counted_in_a_footnote(example):
    facts = {"dataset": "msd-hippocampus", "variant": None, "train_dataset": "msd-hippocampus"}
    facts |= {"train_variant": None, "segmenter": "unet3d", "method": "vae-alarm", "task": Task.IMAGE_FAILURE}
    metrics = {"MAE": 0.1, "STD": 0.1, "Pearson": 0.4, "Spearman": 0.4, "AURC": 0.2}
    structures = {name: {"anterior": NAN if name == "Pearson" else 0.3, "posterior": 0.4} for name in metrics}
    record = Record(
        identity=example.identity.model_copy(update={**facts, "method_config": {}, "train_segmenter": None}),
        status="ok",
        provenance=example.provenance,
        metrics={"per-class": metrics},
        per_class=structures,
        counts={"images": 75, "classes_scored": 1},
        images_without={"anterior": 0, "posterior": 3},
    )
    text = render(build_table(TABLE2, [record], all_metrics=True))
    grid = re.sub(" +", " ", text[text.index("msd-hippocampus") :])
    assert "| VAE (our imple.) | 10.00 [1]" in grid
    assert "20.00 [1]" in grid  # AURC
    assert (
        "[1] posterior is absent from 3 of 75 volumes, which have no Dice of posterior and are left out."
        in grid
    )
    assert "mean over" not in grid  # one structure alone counts, by intent
    by_structure = render(build_table(TABLE2, [record], per_class=True))
    assert by_structure.count("posterior is absent from 3 of 75 volumes") == 4
    assert "40.00 [1]" in re.sub(" +", " ", by_structure)


def test_a_number_that_a_record_lacks_says_how_to_make_the_record_anew(example):
    record = image_record(example, "synthcp", {"road": 0.6})
    older = record.model_copy(update={"metrics": {"per-class": {"MAE": 0.1}}})
    assert "`bench run` makes an old record anew" in printed(older)
    unvalued = record.model_copy(
        update={"metrics": {"per-class": {**record.metrics["per-class"], "MAE": NAN}}}
    )
    assert "MAE has no value on this data. If the metric was changed since, `bench run`" in printed(unvalued)
    assert "measured here, on other data than the paper's" in printed(older)


def test_the_matrix_says_what_became_of_every_method(example):
    who = example.identity

    def record(method, dataset, task, status="ok", reason=None):
        found = who.model_copy(
            update={"method": method, "dataset": dataset, "variant": None, "task": task, "method_config": {}}
        )
        metrics = {"per-image": {"AUROC": 0.5}} if status == "ok" else {}
        return Record(
            identity=found, status=status, reason=reason, provenance=example.provenance, metrics=metrics
        )

    records = [
        record("msp", "streets", Task.ANOMALY),
        record("msp", "organs", Task.IMAGE_FAILURE, "failed", "disk full"),
        record("tcp", "organs", Task.PIXEL_FAILURE, "skipped", "tcp does not work in 3 dimensions"),
        record("theirs", "streets", Task.ANOMALY),
    ]
    methods = {"msp": tuple(Task), "tcp": (Task.PIXEL_FAILURE, Task.ANOMALY)}
    datasets = {"streets": (Task.ANOMALY, Task.PIXEL_FAILURE), "organs": (), "planets": (), "moons": ()}
    needs = {"streets": "a folder", "organs": "a folder", "planets": "a rocket", "moons": "a rocket"}
    text = render(build_matrix(records, methods, datasets, needs))
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if "|" in line]
    assert lines[0] == ["Method", "organs: pixel-failure", "organs: image-failure", "streets: anomaly"]
    assert lines[2] == ["msp", "not run", "failed [1]", "ok"]
    assert lines[3] == ["tcp", "skipped [2]", "no [3]", "not run"]
    assert lines[4] == ["theirs", "not run", "not run", "ok"]
    assert "[1] disk full" in text
    assert "[2] tcp does not work in 3 dimensions" in text
    assert f"streets: segmenter {who.segmenter}, preset {who.preset}" in text
    assert "Not run: pixel-failure of streets (add --task all)." in text
    assert "No run of planets, moons. Needed: a rocket." in text
    assert "a folder" not in text
    organs = build_matrix(records, methods, datasets, needs, dataset="organs")
    assert organs.hints == ()
    cells = json.loads(render(organs, "json"))
    states = {(cell["method"], cell["metric"]): cell["state"] for cell in cells}
    assert states == {
        ("msp", "organs: pixel-failure"): "not run",
        ("msp", "organs: image-failure"): "failed",
        ("tcp", "organs: pixel-failure"): "skipped",
        ("tcp", "organs: image-failure"): "no",
    }
    nothing = render(build_matrix([], methods, datasets, needs))
    assert "--dataset all" in nothing
    assert "No run of streets, organs. Needed: a folder." in nothing


def test_the_matrix_names_the_data_sets_that_were_not_run_and_what_they_need(tmp_path):
    text = CliRunner().invoke(main, ["table", "matrix", "--records", str(tmp_path)]).output
    hints = {hint.partition(". Needed: ") for hint in text.splitlines() if hint.startswith("No run of")}
    needs = {name: need for names, _, need in hints for name in names.removeprefix("No run of ").split(", ")}
    assert set(needs) == set(load_registry().names("datasets"))
    assert needs["cityscapes-mini"] == "no folder, it is generated."
    assert needs["msd-heart"] == "a folder, --data DIR or BENCH_DATA."
    assert needs["roadanomaly"] == "a folder, --data DIR or BENCH_DATA, and --train-dataset NAME to train on."
