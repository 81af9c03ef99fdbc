"""What is wrong with what `bench run` is given: one message that names it, and finished work is kept."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from segalarm.cli import main
from segalarm.datasets.streethazards import StreetHazards

SMALL = ("--preset", "smoke", "--variant", "toy", "--set", "lite0.steps=1", "--set", "lite0.pretrained=null")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory, street_folder):
    """With a trained segmenter, so that each test only scores."""
    folder = tmp_path_factory.mktemp("workspace")
    assert run(street_folder, folder).exit_code == 0
    return folder


@pytest.fixture(scope="module")
def street_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("streets")
    StreetHazards.toy(folder)
    return folder


@pytest.fixture
def copy(street_folder, tmp_path):
    return Path(shutil.copytree(street_folder, tmp_path / "copy"))


def run(data, workspace, *words, variant=SMALL):
    line = ("run", "--method", "msp", "--dataset", "streethazards", "--data", data, "--workspace", workspace)
    return CliRunner().invoke(main, [str(word) for word in (*line, *variant, "--rerun", "always", *words)])


def images(street_folder, split="test"):
    return sorted((street_folder / split / "images").rglob("*.png"))


def labels(street_folder, split="test"):
    return sorted((street_folder / split / "annotations").rglob("*.png"))


def truncate(street_folder):
    file = images(street_folder)[1]
    file.write_bytes(file.read_bytes()[:200])
    return file.name


def remove_a_label(street_folder):
    file = labels(street_folder)[1]
    file.unlink()
    return file.name


def shrink_a_label(street_folder):
    file = labels(street_folder)[1]
    Image.fromarray(np.array(Image.open(file))[:-8]).save(file)
    return file.name


def use_an_unknown_value(street_folder):
    file = labels(street_folder)[1]
    label = np.array(Image.open(file))
    label[3, 4] = 77
    Image.fromarray(label).save(file)
    return "77"


def remove_all_anomalies(street_folder):
    for file in labels(street_folder):
        label = np.array(Image.open(file))
        label[label == 14] = 1
        Image.fromarray(label).save(file)
    return "no test image holds both anomalous and other pixels"


def remove_a_folder(street_folder):
    shutil.rmtree(street_folder / "test" / "annotations")
    return "annotations"


@pytest.mark.parametrize(
    "harm",
    [
        truncate,
        remove_a_label,
        shrink_a_label,
        use_an_unknown_value,
        remove_all_anomalies,
        remove_a_folder,
    ],
)
def test_a_faulty_dataset_folder_is_named(workspace, copy, harm):
    named = harm(copy)
    result = run(copy, workspace)
    assert result.exit_code == 1
    assert named in result.output
    assert "Traceback" not in result.output
    assert not isinstance(result.exception, Exception) or isinstance(result.exception, SystemExit)


def test_one_image_without_anomalies_is_skipped_and_counted(workspace, copy, tmp_path):
    file = labels(copy)[0]
    label = np.array(Image.open(file))
    label[label == 14] = 1
    Image.fromarray(label).save(file)
    assert run(copy, workspace, "--records", tmp_path / "records").exit_code == 0
    (record,) = (json.loads(file.read_text()) for file in (tmp_path / "records").iterdir())
    assert record["counts"]["images_skipped"] == 1
    assert record["counts"]["images"] == 3


def test_a_missing_folder_is_named(workspace, tmp_path):
    result = run(tmp_path / "nowhere", workspace)
    assert result.exit_code == 1
    assert "nowhere" in result.output


def test_a_dataset_folder_that_is_not_the_release_needs_a_variant(workspace, street_folder):
    result = run(street_folder, workspace, variant=("--preset", "smoke"))
    assert result.exit_code == 1
    assert "--variant NAME" in result.output
    assert "release: 1500" in result.output


@pytest.mark.parametrize(
    ("words", "code", "named"),
    [
        (("--method", "mps"), 2, "Did you mean msp"),
        (("--segmenter", "ddrnt"), 2, "ddrnet"),
        (("--train-dataset", "cityscape"), 2, "cityscapes"),
        (("--set", "lite1.steps=3"), 2, "lite0"),
        (("--set", "lite0.step=3"), 1, "steps"),
        (("--set", "lite0.steps=-3"), 1, "lite0.steps"),
        (("--set", "steps"), 1, "NAME.KEY=VALUE"),
        (("--method", ","), 2, "--method names nothing"),
        (("--seed=-1",), 2, "--seed"),
        (("--seed", "one"), 2, "one"),
        (("--device", "gpu"), 1, "cuda:N"),
        (("--device", "cuda:x"), 1, "cuda:N"),
        (("--device", "cuda:99"), 1, "--device cpu"),
        (("--checkpoint", "nowhere.pth"), 1, "nowhere.pth"),
        (("--workspace", __file__), 1, "--workspace"),
        (("--config", "nowhere.toml"), 1, "nowhere.toml"),
    ],
)
def test_a_faulty_option_is_named(workspace, street_folder, words, code, named):
    result = run(street_folder, workspace, *words)
    assert named in result.output
    assert result.exit_code == code
    assert "Traceback" not in result.output


def test_a_config_whose_run_is_no_table_is_named(workspace, street_folder, tmp_path):
    file = tmp_path / "run.toml"
    file.write_text("run = 3\n")
    result = run(street_folder, workspace, "--config", file)
    assert result.exit_code == 1
    assert "[run]" in result.output


class Sprung:
    def __reduce__(self):
        return os.mkdir, ("sprung",)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ({"state_dict": {"decode_head.conv_seg.weight": torch.zeros(4, 5)}}, "decode_head.conv_seg.weight"),
        ({"state_dict": Sprung()}, "would run code"),
    ],
)
def test_a_foreign_checkpoint_is_refused(workspace, street_folder, tmp_path, monkeypatch, content, named):
    monkeypatch.chdir(tmp_path)
    torch.save(content, "foreign.pth")
    result = run(street_folder, workspace, "--checkpoint", "foreign.pth")
    assert result.exit_code == 1
    assert "foreign.pth" in result.output
    assert named in result.output
    assert not (tmp_path / "sprung").exists()


def test_a_full_disk_is_named_and_finished_work_kept(workspace, street_folder, monkeypatch):
    before = sorted((workspace / "records").iterdir())

    def full(self, *args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    result = run(street_folder, workspace)
    assert result.exit_code == 1
    assert "is full" in result.output
    assert sorted((workspace / "records").iterdir()) == before


def test_ctrl_c_says_that_what_is_finished_is_kept(street_folder, tmp_path):
    words = (
        "run",
        "--method",
        "msp",
        "--dataset",
        "streethazards",
        "--data",
        street_folder,
        "--workspace",
        tmp_path,
    )
    long = ("--preset", "smoke", "--variant", "toy", "--set", "ddrnet.steps=100000", "--segmenter", "ddrnet")
    command = [sys.executable, "-m", "segalarm.cli", *map(str, (*words, *long))]
    running = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # What runs in the background of a script inherits that Ctrl-C is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    end = time.monotonic() + 120
    while not list(tmp_path.glob("unfinished/segmenter-*/train ddrnet/*")) and time.monotonic() < end:
        time.sleep(0.2)
    time.sleep(1)
    os.killpg(running.pid, signal.SIGINT)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 1, errors
    assert "the same command goes on from there" in errors
    assert "Traceback" not in errors
