"""Table 1 from the command line, on the generated data set, in the preset `smoke`."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from segalarm.cli import main

DATA = ("--dataset", "cityscapes-mini", "--preset", "smoke", "--segmenter", "lite0")
BOTH = ("--task", "pixel-failure,image-failure")
SEPARATE = {"SynthCP-separate", "SynthCP-joint", "Direct Prediction", "MCDropout"}
OTHERS = {
    *("msp", "entropy", "maxlogit", "energy", "jungo", "kwon", "ensemble"),
    *("synthcp-vae", "ensemble-agreement"),
}
"""Image-level methods that the paper's Table 1 has not."""


def bench(workspace, name, *words):
    return CliRunner().invoke(main, [name, *map(str, words), "--workspace", str(workspace)])


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    folder = tmp_path_factory.mktemp("workspace")
    result = bench(folder, "run", "--method", "all", *DATA, *BOTH)
    assert result.exit_code == 0, result.output
    assert "failed" not in result.output
    return folder


def cells(workspace, *words):
    text = bench(workspace, "table", 1, "--format", "json", "--dataset", "cityscapes-mini", *words).output
    return [cell for cell in json.loads(text) if cell["source"] == "measured"]


def test_one_command_fills_every_row_of_both_halves(workspace):
    found = cells(workspace)
    ran = {(cell["task"], cell["label"]) for cell in found if cell["state"] in ("value", "undefined")}
    for task, alone in (("pixel-failure", "MSP"), ("image-failure", "VAE alarm")):
        assert {(task, label) for label in SEPARATE | {alone}} <= ran


def test_metrics_beyond_the_paper_are_filled(workspace):
    found = {(c["label"], c["metric"]): c for c in cells(workspace, "--all-metrics")}
    for label in ("MSP", "Direct Prediction", "SynthCP-joint"):
        for metric in ("AURC", "AUGRC", "E-AURC", "ECE"):
            assert 0 <= found[label, metric]["value"] <= 100
    assert found["MCDropout", "ECE"]["state"] == "undefined"


def test_every_class_has_its_numbers(workspace):
    found = cells(workspace, "--per-class")
    assert len({cell["class"] for cell in found}) == 19
    assert {cell["label"] for cell in found} == SEPARATE | {"VAE alarm"} | OTHERS


def test_the_scatter_is_drawn_from_the_whole_test_split(workspace, tmp_path):
    words = (*DATA, "--task", "image-failure", "--out", tmp_path)
    result = bench(workspace, "show", "--method", "vae-alarm", *words)
    assert result.exit_code == 0, result.output
    (file,) = tmp_path.glob("*.png")
    assert "image-failure_vae-alarm" in file.name
    assert len(np.unique(np.asarray(Image.open(file).convert("L")))) > 10


def test_a_fold_without_images_is_refused(tmp_path):
    from segalarm.datasets.cityscapes import Cityscapes

    Cityscapes.toy(tmp_path / "data")
    images = sorted((tmp_path / "data" / "leftImg8bit" / "train").rglob("*.png"))
    for image in images[3:]:
        image.unlink()
        for label in (tmp_path / "data" / "gtFine" / "train").rglob(
            image.name.replace("leftImg8bit.png", "gtFine*")
        ):
            label.unlink()
    words = ("--method", "direct-prediction,msp", "--dataset", "cityscapes", "--data", tmp_path / "data")
    small = ("--variant", "three", "--preset", "smoke", "--task", "pixel-failure", "--segmenter", "lite0")
    result = bench(tmp_path / "workspace", "run", *words, *small)
    assert result.exit_code == 1
    assert "3 training samples cannot be split into 4 folds: one would be empty" in result.output
    assert "ok       msp" in result.output
