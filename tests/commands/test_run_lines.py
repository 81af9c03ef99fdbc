"""What `bench run` prints of each job."""

from pathlib import Path
from types import SimpleNamespace

from segalarm.benchmark.commands.run_methods import _line, folders_not_used
from segalarm.benchmark.planning.request import Request
from segalarm.benchmark.plugins.registry import load_registry
from segalarm.benchmark.run.group_run import JobResult

JOB = SimpleNamespace(
    method="mine",
    dataset="streethazards-mini",
    task="anomaly",
    segmenter="lite0",
    seed=0,
    tuned=SimpleNamespace(split="validation"),
)
WHERE = "mine on streethazards-mini (anomaly, lite0, seed 0"


def test_jobs_of_one_method_differ_by_their_options():
    assert _line(JobResult(JOB, "ok", options={"weight": 0.1})) == f"ok       {WHERE}; weight=0.1)"
    tuned = JobResult(JOB, "ok", chosen={"cells": 16, "weight": 0.1})
    assert _line(tuned) == f"ok       {WHERE}); chosen on validation: cells=16, weight=0.1"


def test_a_failure_names_its_record():
    failed = JobResult(JOB, "failed", "KeyError: 'cow'", Path("records/a.json"), has_traceback=True)
    assert _line(failed).splitlines() == [
        f"failed   {WHERE}): KeyError: 'cow'",
        "         traceback in records/a.json",
    ]
    assert "traceback" not in _line(JobResult(JOB, "failed", "no file", Path("records/a.json")))


def test_a_folder_for_a_generated_data_set_is_not_used():
    data = {
        "": Path("all"),
        "streethazards-mini": Path("a"),
        "camvid": Path("b"),
        "cityscapes-mini": Path("c"),
    }
    request = Request(datasets=("streethazards-mini", "camvid"), data=data)
    assert folders_not_used(request, load_registry()) == ["streethazards-mini"]
