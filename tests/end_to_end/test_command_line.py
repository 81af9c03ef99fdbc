"""`bench` from the command line, on the generated data set, in the preset `smoke`."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner
from PIL import Image
from segalarm.benchmark.plugins.registry import load_registry
from segalarm.cli import main
from segalarm.methods.synthcp.feature_distance import cosine_distance

METHODS = "msp,entropy,maxlogit,energy,mcdropout"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return tmp_path_factory.mktemp("workspace")


def bench(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


def run(workspace, *words):
    data = ("--dataset", "streethazards-mini", "--preset", "smoke")
    return bench("run", *data, "--workspace", workspace, *words)


@pytest.fixture(scope="module")
def first(workspace):
    return run(workspace, "--method", METHODS)


def test_every_training_free_method_runs(first):
    assert first.exit_code == 0, first.output
    assert first.output.count("ok  ") == 5


def test_the_same_command_again_takes_the_records_that_are_there(first, workspace):
    again = run(workspace, "--method", METHODS)
    assert again.output.count("cached") == 5


def test_a_dry_run_says_what_is_cached_and_runs_nothing(first, workspace):
    before = sorted((workspace / "records").iterdir())
    shown = run(workspace, "--method", "msp,energy", "--set", "energy.temperature=2", "--dry-run")
    assert "cached   msp" in shown.output
    assert "to run   energy" in shown.output
    assert sorted((workspace / "records").iterdir()) == before


def test_table_3_shows_published_and_measured_rows(first, workspace):
    table = bench("table", 3, "--workspace", workspace).output
    assert "33.7" in table
    measured = table.split("streethazards-mini")[1]
    assert "not run" in measured  # SynthCP
    assert "entropy" in measured


def test_records_hold_both_aggregations_and_the_segmenters_iou(first, workspace):
    records = [json.loads(file.read_text()) for file in (workspace / "records").glob("*msp*.json")]
    assert {"per-image", "pooled"} <= set(records[0]["metrics"])
    assert "mIoU" in records[0]["segmenter_quality"]


def test_the_cost_of_a_frame_is_in_the_record_and_in_a_table(first, workspace):
    records = [json.loads(file.read_text()) for file in (workspace / "records").glob("*mcdropout*.json")]
    for stage in ("predict", "score", "metrics"):
        assert records[0]["timings"][stage] > 0
    assert records[0]["runs_in_pass"] == 5
    text = bench("table", 3, "--cost", "--workspace", workspace).output
    assert "| entropy " in text
    assert "s a frame" in text
    assert bench("table", 3, "--cost", "--per-class", "--workspace", workspace).exit_code == 2


def test_an_unknown_method_gives_the_nearest_name_and_no_traceback(workspace):
    result = run(workspace, "--method", "mspp")
    assert result.exit_code == 2
    assert "Did you mean msp" in result.output


def test_an_unknown_option_of_a_method_is_named(workspace):
    result = run(workspace, "--method", "energy", "--set", "energy.temprature=2")
    assert result.exit_code == 1
    assert "temperature" in result.output


def test_a_data_set_without_a_folder_says_how_to_give_one(workspace):
    result = bench("run", "--method", "msp", "--dataset", "camvid", "--workspace", workspace)
    assert result.exit_code == 1
    assert "--data" in result.output


def test_every_registered_target_can_be_imported():
    assert load_registry().broken == []
    for entry in load_registry():
        entry.load()


def test_listing_and_help_import_no_torch():
    code = (
        "import sys; from click.testing import CliRunner; from segalarm.cli import main; "
        "assert CliRunner().invoke(main, ['list']).exit_code == 0; "
        "assert CliRunner().invoke(main, ['run', '--help']).exit_code == 0; "
        "assert not {'torch', 'mmseg', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_doctor_finds_the_installation_in_order(workspace):
    result = bench("doctor", "--workspace", workspace)
    assert result.exit_code == 0, result.output
    assert "torch" in result.output
    assert "data streethazards-mini: generated when it is used" in result.output


def test_data_says_where_cityscapes_comes_from_and_what_is_missing(tmp_path):
    result = bench("data", "cityscapes", "--data", tmp_path)
    assert result.exit_code == 0
    assert "leftImg8bit" in result.output
    assert "present: no" in result.output


def test_fetching_what_needs_a_login_says_how(tmp_path):
    result = bench("data", "cityscapes", "--fetch", "--data", tmp_path)
    assert result.exit_code == 1
    assert "cityscapes" in result.output.lower()


def test_a_config_file_stands_in_for_options_and_the_command_line_wins(first, workspace, tmp_path):
    file = tmp_path / "run.toml"
    file.write_text(
        f'[run]\nmethod = ["msp", "energy"]\ndataset = "streethazards-mini"\npreset = "full"\n'
        f'workspace = "{workspace}"\n[energy]\ntemperature = 3\n'
    )
    shown = bench("run", "--config", file, "--preset", "smoke", "--dry-run")
    assert "cached   msp" in shown.output, shown.output
    assert "to run   energy" in shown.output


def test_an_unknown_key_in_a_config_file_is_named(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text('[run]\nmethods = "msp"\n')
    result = bench("run", "--config", file)
    assert result.exit_code == 2
    assert "method" in result.output


def test_a_damaged_record_is_written_anew(first, workspace, tmp_path):
    records = tmp_path / "records"
    words = ("--method", "msp", "--records", records)
    assert run(workspace, *words).exit_code == 0
    (file,) = records.iterdir()
    whole = json.loads(file.read_text())
    file.write_text(file.read_text()[:100])
    assert run(workspace, *words).exit_code == 0
    assert json.loads(file.read_text())["metrics"] == whole["metrics"]


def test_never_leaves_a_failed_record_alone_and_missing_runs_it_again(first, workspace, tmp_path):
    records = tmp_path / "records"
    words = ("--method", "msp", "--records", records)
    run(workspace, *words)
    (file,) = records.iterdir()
    failed = json.loads(file.read_text()) | {"status": "failed", "reason": "a test"}
    file.write_text(json.dumps(failed))
    assert "cached" in run(workspace, *words, "--rerun", "never").output
    assert "ok" in run(workspace, *words, "--rerun", "missing").output


def test_all_data_sets_skips_those_that_are_not_on_this_machine(workspace, monkeypatch):
    monkeypatch.delenv("BENCH_DATA", raising=False)
    shown = bench(
        "run",
        "--method",
        "msp",
        "--dataset",
        "all",
        "--preset",
        "smoke",
        "--dry-run",
        "--workspace",
        workspace,
    )
    assert shown.exit_code == 0, shown.output
    assert "skipped  camvid" in shown.output


def test_a_cell_without_meaning_is_skipped_with_its_reason(workspace):
    result = run(workspace, "--method", "mcdropout", "--set", "lite0.dropout=0", "--set", "lite0.steps=2")
    assert "skipped" in result.output
    assert "--set lite0.dropout=0.1" in result.output


def test_another_class_count_in_a_checkpoint_is_named(first, workspace):
    weights = next((workspace / "artifacts" / "segmenter").glob("*/segmenter.safetensors"))
    words = (
        "--method",
        "msp",
        "--dataset",
        "cityscapes-mini",
        "--preset",
        "smoke",
        "--task",
        "pixel-failure",
    )
    result = bench("run", *words, "--workspace", workspace, "--checkpoint", weights)
    assert result.exit_code == 1
    assert "13" in result.output
    assert "19" in result.output


def test_synthcp_fills_tables_3_and_4_in_one_pass(workspace, monkeypatch):
    compared = []

    def distance(*features):
        compared.append(len(features))
        return cosine_distance(*features)

    monkeypatch.setattr("segalarm.methods.synthcp.method.cosine_distance", distance)
    result = run(workspace, "--method", "synthcp", "--sweep", "synthcp.t=0.8,0.9,0.99,0.999,1.0")
    assert result.exit_code == 0, result.output
    assert result.output.count("ok  ") == 5
    assert len(compared) == 8  # an image, whatever the number of thresholds
    four = bench("table", 4, "--workspace", workspace).output.split("streethazards-mini")[1]
    assert "not run" not in four
    three = bench("table", 3, "--workspace", workspace, "--format", "json").output
    measured = [row for row in json.loads(three) if row["source"] == "measured" and row["state"] == "value"]
    assert "SynthCP" in {row["label"] for row in measured}


def test_a_threshold_is_chosen_on_held_out_data(workspace, tmp_path):
    words = ("--method", "synthcp", "--tune-on", "validation", "--records", tmp_path)
    assert run(workspace, *words).exit_code == 0
    assert "cached" in run(workspace, *words).output
    (file,) = tmp_path.iterdir()
    record = json.loads(file.read_text())
    assert record["tuning"]["chosen"] == {"t": record["identity"]["method_config"]["t"]}
    assert [trial["options"]["t"] for trial in record["tuning"]["trials"]] == [0.8, 0.9, 0.99, 0.999, 1.0]
    assert "t=tuned on validation" in bench("table", 4, "--records", tmp_path).output


def test_pictures_show_what_the_method_made(workspace, tmp_path):
    words = ("--dataset", "streethazards-mini", "--preset", "smoke", "--workspace", workspace)
    result = bench("show", "--method", "msp,synthcp", *words, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    files = sorted(tmp_path.glob("*.png"))
    assert len(files) == 3
    # Seven panels of 300 pixels: input, label, prediction, synthesized, anomaly, two scores.
    assert Image.open(files[0]).width == 7 * 300


def test_curves_of_all_methods_are_one_figure_a_task(workspace, tmp_path):
    words = ("--dataset", "streethazards-mini", "--preset", "smoke", "--workspace", workspace)
    more = ("--task", "anomaly,pixel-failure", "--curves", "--out", tmp_path)
    result = bench("show", "--method", "msp,energy", *words, *more)
    assert result.exit_code == 0, result.output
    names = [f"streethazards-mini_lite0_{task}_curves.png" for task in ("anomaly", "pixel-failure")]
    assert sorted(file.name for file in tmp_path.glob("*_curves.png")) == names


def test_a_sample_that_is_not_there_is_named(workspace, tmp_path):
    words = ("--dataset", "streethazards-mini", "--preset", "smoke", "--workspace", workspace)
    result = bench("show", "--method", "msp", *words, "--out", tmp_path, "--sample", "nowhere")
    assert result.exit_code == 1
    assert "no test sample 'nowhere'" in result.output
