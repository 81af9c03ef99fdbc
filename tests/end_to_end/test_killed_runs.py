"""Runs that are killed, and runs at once."""

import json

import pytest
from segalarm.tests.support.survival import finish, kill, results, start, wait_for


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The results of a run that was never killed."""
    workspace = tmp_path_factory.mktemp("undisturbed")
    finish(start(workspace))
    return results(workspace)


def test_a_run_that_is_killed_anywhere_ends_with_the_same_numbers(undisturbed, tmp_path):
    moments = {
        "a segmenter's training": "unfinished/segmenter-*/train lite0/checkpoint.pt",
        "a fold's prediction": "unfinished/predictions-*/artifact/*.npy",
        "the cGAN's training": "unfinished/cgan-*/train cgan/checkpoint.pt",
        "the comparison network's training": "unfinished/comparison-*/train comparison*/checkpoint.pt",
        "scoring": "artifacts/method-synthcp/*/artifact.json",
    }
    made = set()
    for moment, pattern in moments.items():
        running = start(tmp_path)
        assert wait_for(running, tmp_path, pattern), f"{moment}: the run ended first"
        kill(running)
        # No finished stage is made again.
        artifacts = {file: file.stat().st_mtime_ns for file in tmp_path.glob("artifacts/*/*/artifact.json")}
        assert made <= set(artifacts.items()), moment
        made = set(artifacts.items())
    output = finish(start(tmp_path))
    assert "train lite0" not in output
    assert "train cgan" not in output
    assert results(tmp_path) == undisturbed


def test_two_runs_at_once_make_each_stage_once(undisturbed, tmp_path):
    runs = [start(tmp_path, "--records", str(tmp_path / name)) for name in ("records", "others")]
    outputs = [finish(run) for run in runs]
    assert results(tmp_path) == undisturbed
    artifacts = list(tmp_path.glob("artifacts/*/*/artifact.json"))
    kinds = sorted(json.loads(file.read_text())["kind"] for file in artifacts)
    assert kinds == [
        "cgan",
        "comparison",
        "method-synthcp",
        "predictions",
        *["segmenter"] * 5,
        "synthesized",
    ]
    trained = sum(
        output.count("train cgan: 1 of 40") + output.count("train cgan: 40 of 40") for output in outputs
    )
    assert trained <= 2
    assert any("another run is making" in output for output in outputs)


def test_a_corrupt_artifact_is_made_again(undisturbed, tmp_path):
    finish(start(tmp_path))
    (file,) = tmp_path.glob("artifacts/cgan/*/generator.safetensors")
    file.write_bytes(file.read_bytes()[:1000])
    output = finish(start(tmp_path, "--rerun", "always"))
    assert "is damaged (generator.safetensors has another checksum): building it again" in output
    assert results(tmp_path) == undisturbed
