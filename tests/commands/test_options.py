"""The options that commands share, and the request that they make."""

from pathlib import Path

import click
import pytest
from segalarm.benchmark.commands.options.option_values import by_dataset, data_folders, names
from segalarm.benchmark.commands.options.run_request import make_request
from segalarm.benchmark.interfaces import Preset, Protocol, Task
from segalarm.benchmark.interfaces.errors import UnknownNameError
from segalarm.benchmark.plugins.registry import load_registry

RUN = {
    "method": "msp, entropy",
    "dataset": "all",
    "segmenter": None,
    "train_dataset": None,
    "variant": (),
    "preset": None,
    "protocol": "official",
    "seed": "0",
    "data": (),
    "workspace": Path("here"),
    "device": "cpu",
    "precision": "32",
    "checkpoint": None,
    "sets": (),
}


def test_names_are_separated_by_commas_and_blanks_around_them_do_not_count():
    assert names("msp, entropy,", "--method") == ("msp", "entropy")
    assert names(None, "--method") == ()
    with pytest.raises(click.UsageError, match="--method names nothing"):
        names(" , ", "--method")


def test_a_value_is_for_every_data_set_unless_it_begins_with_a_name():
    values = by_dataset(("small", "cityscapes=camvid", "/data/a=b", "~/a=b", "./x=y"))
    assert values.pop("cityscapes") == "camvid"
    assert values == {"": "./x=y"}  # the last of the four that are for every data set


def test_folders_of_data_come_from_the_environment_where_none_is_given(monkeypatch):
    monkeypatch.setenv("BENCH_DATA", "/data:camvid=/other")
    assert data_folders(()) == {"": Path("/data"), "camvid": Path("/other")}
    assert data_folders(("/third",)) == {"": Path("/third")}


def test_a_request_holds_what_the_options_say():
    request = make_request({**RUN, "task": "all", "seed": "0,7", "preset": "smoke", "protocol": "paper"})
    assert request.methods == ("msp", "entropy")
    assert request.datasets == ()
    assert request.tasks == tuple(Task)
    assert request.seeds == (0, 7)
    assert (request.preset, request.protocol) == (Preset.SMOKE, Protocol.PAPER)
    assert request.workspace == Path("here")


def test_an_unknown_task_is_named_with_the_nearest():
    with pytest.raises(UnknownNameError, match=r"unknown task 'anomalies'\. Did you mean anomaly"):
        make_request({**RUN, "task": "anomalies"})


@pytest.mark.parametrize("seed", ["-1", "one", "1.5"])
def test_a_seed_is_a_whole_number_from_0_on(seed):
    with pytest.raises(click.UsageError, match=rf"--seed {seed}: expected whole numbers"):
        make_request({**RUN, "seed": seed})


def test_an_imported_checkpoint_is_found_by_its_name_and_any_other_by_its_file(tmp_path):
    kept = tmp_path / "checkpoints" / "pspnet.safetensors"
    kept.parent.mkdir()
    kept.touch()
    of = {**RUN, "workspace": tmp_path}
    assert make_request({**of, "checkpoint": Path("pspnet")}).checkpoint == kept
    assert make_request({**of, "checkpoint": Path("nowhere.pth")}).checkpoint == Path("nowhere.pth")
    assert make_request({**of, "checkpoint": kept}).checkpoint == kept


def test_the_built_in_commands_are_registered_by_the_hook_of_plugins():
    cli = click.Group()
    load_registry().manager.get_plugin("segalarm.benchmark.commands").register_commands(cli)
    assert sorted(cli.commands) == [
        "check", "data", "doctor", "export", "import-checkpoint", "list", "run", "score", "show", "table",
    ]  # fmt: skip
