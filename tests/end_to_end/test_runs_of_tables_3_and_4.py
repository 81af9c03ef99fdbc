"""Tables 3 and 4 from the command line, on the generated data set, in the preset `smoke`."""

import importlib.util
import json

import pytest
from click.testing import CliRunner
from segalarm.benchmark.interfaces import Task
from segalarm.benchmark.plugins.registry import load_registry
from segalarm.benchmark.storage.record import read_records
from segalarm.cli import main

PUBLISHED = {"AE", "Dropout", "MSP", "MSP + CRF", "SynthCP"}


def bench(workspace, *words):
    return CliRunner().invoke(main, [*map(str, words), "--workspace", str(workspace)])


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    folder = tmp_path_factory.mktemp("workspace")
    result = bench(folder, "run", "--method", "all", "--dataset", "streethazards-mini", "--preset", "smoke")
    assert result.exit_code == 0, result.output
    assert "failed" not in result.output
    return folder


def measured(workspace, table):
    text = bench(workspace, "table", table, "--format", "json", "--dataset", "streethazards-mini").output
    return {cell["label"]: cell for cell in json.loads(text) if cell["source"] == "measured"}


def test_one_command_fills_every_row_of_table_3_and_those_beyond_the_paper(workspace):
    found = measured(workspace, 3)
    absent = {label for label, cell in found.items() if cell["state"] != "value"}
    crf = importlib.util.find_spec("pydensecrf") is not None
    assert absent == (set() if crf else {"MSP + CRF"})
    assert set(found) >= PUBLISHED
    methods = {e.name for e in load_registry() if e.kind == "methods" and Task.ANOMALY in e.tasks}
    assert {cell["method"] for cell in found.values()} == methods


def test_and_every_column_of_table_4(workspace):
    found = measured(workspace, 4)
    assert {label for label, cell in found.items() if cell["state"] == "value"} == {
        "0.8",
        "0.9",
        "0.99",
        "0.999",
        "1.0",
    }


@pytest.mark.parametrize(
    "name", ["entropy", "mcdropout", "ensemble", "standardized-maxlogit", "mahalanobis", "knn"]
)
def test_a_gate_that_is_always_open_gives_what_its_alarm_gives(workspace, name):
    """Fitted, saved, loaded and asked behind the gate as by itself."""
    alone = next(r for r in read_records(workspace / "records") if r.identity.method == name)
    words = ["--method", "synthcp", "--set", "synthcp.t=0", "--set", f"synthcp.gate_with={name}"]
    for key, value in alone.identity.method_config.items():
        if key not in ("layer", "scales"):  # the gate's alarm has those of Eq. 9
            words += ["--set", f"synthcp.gate_options.{key}={json.dumps(value)}"]
    found = []
    for rerun in ("missing", "always"):
        result = bench(
            workspace, "run", "--dataset", "streethazards-mini", "--preset", "smoke", *words, "--rerun", rerun
        )
        assert result.exit_code == 0, result.output
        found += [
            r
            for r in read_records(workspace / "records")
            if r.identity.method == "synthcp" and r.identity.method_config["gate_with"] == name
        ]
    assert found[0].metrics == found[-1].metrics
    for how in ("per-image", "pooled"):
        assert found[0].metrics[how] == pytest.approx(alone.metrics[how], abs=1e-4)
