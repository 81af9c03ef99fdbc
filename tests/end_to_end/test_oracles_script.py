"""The script that feeds SynthCP images of the true segmentation, and of another frame."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from segalarm.benchmark.interfaces import VOID, Preset, Protocol, Task, Truth
from segalarm.benchmark.plugins.configure import configure
from segalarm.datasets.cityscapes import Cityscapes
from segalarm.methods.synthcp.method import SynthCP
from segalarm.methods.synthcp.oracle import FromTruth, synthesized_from_truth

SCRIPT = Path(__file__).parents[2] / "scripts" / "oracles"


def oracles(*words):
    command = [sys.executable, SCRIPT, *words]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def city_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("city_folder")
    Cityscapes.toy(folder)
    return folder


def test_a_row_for_each_task_and_kind_of_image(city_folder, tmp_path):
    small = ("--preset", "smoke", "--variant", "toy", "--segmenter", "lite0", "--set", "lite0.steps=2")
    sizes = ("--set", "synthcp.comparison.steps=40", "--set", "synthcp.comparison.learning_rate=0.003")
    data = ("--dataset", "cityscapes", "--data", city_folder, "--workspace", tmp_path)
    done = oracles(*data, *small, *sizes)
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines() if "-failure" in line]
    assert [row[:3] for row in rows] == [
        [task, "joint", images]
        for task in ("pixel-failure", "image-failure")
        for images in ("predicted", "shuffled", "truth")
    ]
    # A network trained for more than a few steps looks at what it is fed, and the oracle is a network apart.
    assert len({tuple(row[3:]) for row in rows if row[0] == "pixel-failure"}) == 3
    assert not list(tmp_path.glob("records/*"))


def test_a_missing_folder_is_named():
    done = oracles("--dataset", "cityscapes", "--data", "/nowhere")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert "nowhere" in done.stderr


def test_the_true_segmentation_is_synthesized_without_what_is_not_scored():
    valid = np.array([[True, False]])
    truth = Truth(np.array([[3, 4]]), None, valid)
    seen = []
    synthesized_from_truth(truth, lambda labels: seen.append(labels) or torch.zeros(1, 3, 2, 2))
    assert seen[0].tolist() == [[[3, VOID]]]


def test_the_oracle_is_not_taken_for_synthcp():
    config = configure(SynthCP, "synthcp", {}, Preset.SMOKE, Protocol.OFFICIAL, Cityscapes.info)
    keys = [kind(config, Task.PIXEL_FAILURE).fit_key() for kind in (SynthCP, FromTruth)]
    assert keys[0] != keys[1]
