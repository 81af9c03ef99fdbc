"""Score maps written for other tools and read back, and maps that cannot be judged."""

import json
import shutil
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from segalarm.cli import main
from segalarm.datasets.streethazards import StreetHazards

SMALL = ("--preset", "smoke", "--variant", "toy")
QUICK = ("--set", "lite0.steps=1", "--set", "lite0.pretrained=null")


def bench(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture(scope="module")
def street_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("streets")
    StreetHazards.toy(folder)
    return folder


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return tmp_path_factory.mktemp("workspace")


@pytest.fixture(scope="module")
def maps(street_folder, workspace, tmp_path_factory):
    folder = tmp_path_factory.mktemp("maps")
    data = ("--dataset", "streethazards", "--data", street_folder, "--workspace", workspace)
    result = bench("export", "--method", "msp,entropy", *data, *SMALL, *QUICK, "--out", folder)
    assert result.exit_code == 0, result.output
    assert str(folder / "anomaly_p" / "msp" / "streethazards") in result.output
    return folder / "anomaly_p"


@pytest.fixture
def copy(maps, tmp_path):
    return Path(shutil.copytree(maps / "msp", tmp_path / "mine"))


def score(path, street_folder, workspace, *words):
    data = ("--dataset", "streethazards", "--data", street_folder, "--workspace", workspace)
    return bench("score", "--scores", path, *data, *SMALL, *words)


def read(folder, method):
    (file,) = folder.glob(f"*_{method}_*.json")
    return json.loads(file.read_text())


def test_a_frame_is_a_file_with_one_array_as_the_segmentmeifyoucan_tools_read_it(maps, street_folder):
    for sample in StreetHazards(street_folder).samples("test"):
        frame = sample.key.removeprefix("test/")
        with h5py.File(maps / "msp" / "streethazards" / f"{frame}.hdf5", "r") as file:
            value = file["value"][:]
        assert value.shape == sample.truth.valid.shape
        assert value.dtype == np.float32
        assert value.max() <= -1 / 13


@pytest.mark.parametrize("method", ["msp", "entropy"])
def test_maps_that_are_read_back_give_the_same_metrics(method, maps, street_folder, workspace, tmp_path):
    data = ("--dataset", "streethazards", "--data", street_folder, "--workspace", workspace)
    run = bench("run", "--method", method, *data, *SMALL, *QUICK, "--records", tmp_path / "run")
    assert run.exit_code == 0, run.output
    words = ("--segmenter", "lite0", "--name", "mine", "--records", tmp_path / "score")
    result = score(maps / method, street_folder, workspace, *words)
    assert result.exit_code == 0, result.output
    mine, theirs = read(tmp_path / "score", "mine"), read(tmp_path / "run", method)
    for part in ("metrics", "error_bounds", "intervals", "per_image", "counts"):
        assert mine[part] == theirs[part], part
    assert mine["components"] == theirs["components"]
    assert f"{100 * mine['metrics']['pooled']['AUPR']:.2f}" in result.output


def test_a_table_shows_outside_maps_like_any_method(maps, street_folder, workspace, tmp_path):
    assert score(maps / "entropy", street_folder, workspace, "--records", tmp_path).exit_code == 0
    assert score(
        maps / "msp" / "streethazards", street_folder, workspace, "--name", "mine", "--records", tmp_path
    )
    text = bench("table", 3, "--records", tmp_path).output
    grid = text.split("segmenter outside")[1]
    assert "| mine " in grid
    assert "| entropy-maps " in grid


def test_maps_of_a_segmenter_with_options_stand_in_its_grid(maps, street_folder, workspace, tmp_path):
    data = ("--dataset", "streethazards", "--data", street_folder, "--workspace", workspace)
    assert bench("run", "--method", "msp", *data, *SMALL, *QUICK, "--records", tmp_path).exit_code == 0
    words = ("--segmenter", "lite0", *QUICK, "--name", "mine", "--records", tmp_path)
    assert score(maps / "entropy", street_folder, workspace, *words).exit_code == 0
    grid = bench("table", 3, "--records", tmp_path).output.split("segmenter lite0")
    assert len(grid) == 2
    assert "| MSP " in grid[1]
    assert "| mine " in grid[1]


def test_a_checkpoint_of_that_segmenter_is_in_the_record(maps, street_folder, workspace, tmp_path):
    weights = tmp_path / "weights.pt"
    weights.write_bytes(b"any: nothing is read but its hash")
    words = ("--segmenter", "lite0", "--checkpoint", weights, "--name", "mine", "--records", tmp_path)
    assert score(maps / "msp", street_folder, workspace, *words).exit_code == 0
    assert len(read(tmp_path, "mine")["identity"]["segmenter_checkpoint"]) == 64
    result = score(maps / "msp", street_folder, workspace, "--checkpoint", weights)
    assert result.exit_code == 1
    assert "name the segmenter with --segmenter" in result.output


def test_a_segmenter_that_is_not_understood_is_said_before_maps_are_judged(
    maps, street_folder, workspace, tmp_path, monkeypatch
):
    monkeypatch.setattr(
        "segalarm.benchmark.score_maps.judge.evaluate_maps", lambda *given: pytest.fail("judged")
    )
    words = ("--segmenter", "lite0", "--set", "lite0.stepz=1", "--records", tmp_path)
    result = score(maps / "msp", street_folder, workspace, *words)
    assert result.exit_code != 0
    assert "stepz" in result.output


def test_other_maps_of_one_name_are_another_record(maps, street_folder, workspace, tmp_path):
    for method in ("msp", "entropy"):
        score(maps / method, street_folder, workspace, "--name", "mine", "--records", tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("folder", [".", "streethazards"])
def test_maps_of_the_working_folder_are_named_by_it(
    copy, folder, street_folder, workspace, tmp_path, monkeypatch
):
    monkeypatch.chdir(copy)
    records = tmp_path / "records"
    result = score(folder, street_folder, workspace, "--records", records)
    assert result.exit_code == 0, result.output
    assert read(records, "mine")["identity"]["method"] == "mine"


def test_half_precision_is_read_too(copy, street_folder, workspace):
    for file in copy.rglob("*.hdf5"):
        change(file, lambda value: value.astype(np.float16))
    assert score(copy, street_folder, workspace).exit_code == 0


def change(file, how):
    with h5py.File(file, "r") as opened:
        value = how(opened["value"][:])
    with h5py.File(file, "w") as opened:
        opened["value"] = value


def files(folder):
    return sorted(folder.rglob("*.hdf5"))


def nan(folder):
    change(files(folder)[1], lambda value: np.where(np.arange(value.shape[1]) == 3, np.nan, value))
    return "the score map holds NaN"


def smaller(folder):
    change(files(folder)[1], lambda value: value[:-1])
    return "the score map has shape (63, 96), the label (64, 96)"


def words(folder):
    change(files(folder)[1], lambda value: "high")
    return "not real numbers"


def other_array(folder):
    with h5py.File(files(folder)[1], "a") as opened:
        opened.move("value", "scores")
    return "must be an array 'value'; the file holds scores"


def broken(folder):
    files(folder)[1].write_bytes(b"no HDF5")
    return "cannot be read as HDF5"


@pytest.mark.parametrize("harm", [nan, smaller, words, other_array, broken])
def test_a_map_that_cannot_be_judged_is_named_with_its_sample(harm, copy, street_folder, workspace):
    expected = harm(copy)
    result = score(copy, street_folder, workspace)
    assert result.exit_code == 1
    file = files(copy)[1]
    assert str(file) in result.output
    assert f"'test/{file.relative_to(copy / 'streethazards').with_suffix('')}'" in result.output
    assert expected in result.output
    assert len(result.output.strip().splitlines()) == 1


def test_a_sample_without_a_map_and_a_map_without_a_sample_are_named(copy, street_folder, workspace):
    file = files(copy)[1]
    moved = file.rename(file.with_name("unknown.hdf5"))
    result = score(copy, street_folder, workspace)
    assert f"{file}: missing, so sample 'test/" in result.output
    shutil.copy(moved, file)
    result = score(copy, street_folder, workspace)
    assert result.exit_code == 1
    assert f"{moved}: the test split of streethazards has no frame '" in result.output


def test_scores_that_are_all_equal_rank_nothing(copy, street_folder, workspace):
    for file in files(copy):
        change(file, lambda value: np.zeros_like(value))
    result = score(copy, street_folder, workspace)
    assert result.exit_code == 1
    assert f"{files(copy)[0]}, judged by {street_folder}: all scores of all images are 0.0" in result.output


def test_maps_of_double_precision_keep_apart_what_single_would_tie(copy, street_folder, workspace):
    for file in files(copy):
        change(file, lambda value: 1 - np.arange(value.size, dtype=np.float64).reshape(value.shape) * 1e-12)
    result = score(copy, street_folder, workspace)
    assert result.exit_code == 0, result.output


def test_a_test_split_without_an_anomaly_is_named_with_its_samples(copy, street_folder, workspace, tmp_path):
    bare = Path(shutil.copytree(street_folder, tmp_path / "bare"))
    for file in (bare / "test" / "annotations").rglob("*.png"):
        label = np.array(Image.open(file))
        label[label == 14] = 1
        Image.fromarray(label).save(file)
    result = score(copy, bare, workspace)
    assert result.exit_code == 1
    assert f"{bare}: no test image holds both anomalous and other pixels, from 'test/" in result.output
    assert "(0 positive and " in result.output


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("nowhere", "nowhere is missing: expected a folder anomaly_p/METHOD/DATASET/FRAME.hdf5"),
        (".", "holds maps of entropy, msp on streethazards; name the folder of one method"),
        ("msp/streethazards/t5", "missing, so sample 'test/"),
    ],
)
def test_a_folder_that_is_not_one_methods_is_named(path, named, maps, street_folder, workspace):
    result = score(maps.parent if path == "." else maps / path, street_folder, workspace)
    assert result.exit_code == 1
    assert named in result.output


def test_a_file_and_an_empty_folder_are_no_maps(maps, street_folder, workspace, tmp_path):
    file = next(maps.rglob("*.hdf5"))
    assert f"{file} is a file" in score(file, street_folder, workspace).output
    assert "no .hdf5 file in" in score(tmp_path, street_folder, workspace).output


def test_the_name_of_a_method_of_the_benchmark_is_taken(maps, street_folder, workspace):
    result = score(maps / "msp", street_folder, workspace, "--name", "msp")
    assert result.exit_code == 1
    assert "--name msp: a method of this benchmark" in result.output


def test_without_h5py_the_extra_is_named(maps, street_folder, workspace, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    assert "pip install 'segalarm[smiyc]'" in score(maps / "msp", street_folder, workspace).output


def test_a_data_set_without_anomalies_is_refused(maps, workspace):
    words = ("--dataset", "cityscapes-mini", "--preset", "smoke", "--workspace", workspace)
    result = bench("score", "--scores", maps / "msp", *words)
    assert "cityscapes-mini has no ground truth for anomaly" in result.output
    result = bench("export", "--method", "msp", *words, "--out", workspace / "out")
    assert "cityscapes-mini has no ground truth for anomaly" in result.output


def test_a_swept_method_has_a_folder_a_configuration(street_folder, workspace, tmp_path):
    data = ("--dataset", "streethazards", "--data", street_folder, "--workspace", workspace, *SMALL, *QUICK)
    sweep = ("--method", "energy", "--sweep", "energy.temperature=1,2")
    assert bench("export", *sweep, *data, "--out", tmp_path).exit_code == 0
    names = sorted(folder.name for folder in (tmp_path / "anomaly_p").iterdir())
    assert len(names) == 2
    assert all(name.startswith("energy-") for name in names)
