"""Checkpoints from elsewhere in a run: of the segmenter, and of methods' networks."""

import pytest
import torch
from click.testing import CliRunner
from segalarm.benchmark.segmenters.mmsegmentation.construction.blueprint import read_blueprint
from segalarm.benchmark.segmenters.mmsegmentation.construction.network_building import build_network
from segalarm.benchmark.storage.record import read_records
from segalarm.cli import main
from segalarm.methods.synthcp.comparison.comparison_config import ComparisonConfig
from segalarm.methods.synthcp.comparison.comparison_network import ComparisonNetwork


def bench(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """An empty workspace, and an empty cache of ImageNet weights."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setenv("BENCH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_an_imported_segmenter_is_taken_by_its_name_and_trains_nothing(workspace, tmp_path, monkeypatch):
    torch.save(build_network(read_blueprint("lite0", 13)).state_dict(), tmp_path / "theirs.pth")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lite0").mkdir()  # a folder of that name is no checkpoint
    made = bench("import-checkpoint", "lite0", tmp_path / "theirs.pth")
    assert made.exit_code == 0, made.output
    assert "--segmenter lite0 --checkpoint" in made.output
    words = ("--dataset", "streethazards-mini", "--preset", "smoke", "--checkpoint", "lite0")
    ran = bench("run", "--method", "msp", *words)
    assert ran.exit_code == 0, ran.output
    assert "train lite0" not in ran.output
    (record,) = read_records(workspace / "records")
    assert record.provenance.weights["lite0"] == "lite0.safetensors"
    assert record.identity.segmenter_checkpoint


def test_a_checkpoint_needs_no_imagenet_weights_in_the_full_preset(workspace, tmp_path):
    (tmp_path / "any.pth").touch()
    words = ("--dataset", "streethazards-mini", "--segmenter", "pspnet", "--preset", "full", "--dry-run")
    without = bench("run", "--method", "msp", *words)
    assert "ImageNet weights of resnet50-deep-stem are not at" in without.output
    given = bench("run", "--method", "msp", *words, "--checkpoint", tmp_path / "any.pth")
    assert given.exit_code == 0, given.output


def test_a_comparison_network_from_elsewhere_needs_no_folds(workspace, tmp_path):
    network = ComparisonNetwork(19, ComparisonConfig(pretrained=False, encoder="efficientnet-lite0"), False)
    torch.save(network.state_dict(), tmp_path / "comparison.pth")
    words = ["run", "--method", "direct-prediction", "--dataset", "cityscapes-mini", "--preset", "smoke"]
    words += ["--set", f"direct-prediction.comparison.weights={tmp_path / 'comparison.pth'}"]
    ran = bench(*words)
    assert ran.exit_code == 0, ran.output
    records = read_records(workspace / "records")
    assert {record.identity.task for record in records} == {"pixel-failure", "image-failure"}
    assert all(r.provenance.weights["comparison network"] == "comparison.pth" for r in records)
    assert len(list((workspace / "artifacts" / "segmenter").iterdir())) == 1
    refused = bench(*words, "--set", "direct-prediction.head=pixel", "--task", "pixel-failure")
    assert "one network for all tasks" in refused.output


def test_what_is_written_is_named_as_what_it_is(workspace, tmp_path):
    torch.save({"a": torch.zeros(1)}, tmp_path / "a.pth")
    made = bench("import-checkpoint", "fcn8s", tmp_path / "a.pth", "--out", tmp_path / "b.pth")
    assert made.exit_code == 1
    assert "is a .safetensors file" in made.output
