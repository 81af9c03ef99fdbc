"""Options that several commands share, and the request for a run that their values make.

The modules of commands import heavy packages (torch, pandas) inside functions: `bench --help` stays fast.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..interfaces import Preset, Protocol, Task
from ..interfaces.errors import BenchError, UnknownNameError

if TYPE_CHECKING:
    from ..run.request import Request

DEFAULT_HOME = Path.home() / ".cache" / "segalarm"
FROM_COMMAS = ("method", "dataset", "task", "segmenter", "seed")
"""Options whose text holds values separated by commas; a TOML file may give them as a list."""
PATH = click.Path(path_type=Path)
PRESETS = [preset.value for preset in Preset]
PROTOCOLS = [protocol.value for protocol in Protocol]


def examples(*lines: str) -> str:
    """The end of a command's help: examples, one a line."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def choices(summary: str, **values: str) -> str:
    """The help of an option with a few values: a summary, then a line for each value.

    Args:
        summary: a line of its own; names the default.
        values: value, with "_" for "-" -> what it means, in few enough words for a terminal of 80 columns.
    """
    width = max(map(len, values))
    rows = [f"{value.replace('_', '-'):{width}}  {meaning}" for value, meaning in values.items()]
    return "\n".join(["\b", summary, *rows])


variant_option = click.option(
    "--variant",
    multiple=True,
    metavar="[DATASET=]NAME",
    help="If your copy of a data set differs from the official release (a subset, say), label it NAME (or "
    "DATASET=NAME). Tables keep the numbers of variants apart from those of the release.",
)
preset_option = click.option(
    "--preset",
    type=click.Choice(PRESETS),
    help=choices(
        "Sizes and lengths; by default the data set's own.",
        full="as published; needs a GPU",
        small="minutes to hours on two CPU cores",
        smoke="seconds, on a few images",
    ),
)
protocol_option = click.option(
    "--protocol",
    type=click.Choice(PROTOCOLS),
    default="official",
    help=choices(
        "What is computed.  [default: official]",
        official="as the published code, without its defects",
        paper="as the text of the paper says",
    ),
)
data_option = click.option(
    "--data",
    multiple=True,
    metavar="[DATASET=]DIR",
    help="The dataset folder, or the folder that it lies in; DATASET=DIR for one data set.  "
    "[env: BENCH_DATA]",
)
workspace_option = click.option(
    "--workspace",
    type=PATH,
    help="Where data, trained networks and records are kept; by default ~/.cache/segalarm.  "
    "[env: BENCH_HOME]",
)
checkpoint_option = click.option(
    "--checkpoint",
    type=PATH,
    help="Weights of the segmenter, which is then not trained: a file, or the name of an imported "
    "checkpoint.",
)
set_option = click.option(
    "--set",
    "sets",
    multiple=True,
    metavar="NAME.KEY=VALUE",
    help="Set the hyper-parameter KEY of the method or segmenter NAME.",
)


def _read_defaults(context: click.Context, _: click.Parameter, file: Path | None) -> Path | None:
    """Let the table [run] of a TOML file stand in for options that the command line does not give."""
    if file is not None:
        from ..plugins.configure import read_toml

        table = read_toml(file).get("run", {})
        if not isinstance(table, dict):
            raise BenchError(f"--config {file}: 'run' must be a table [run]")
        defaults = {key.replace("-", "_"): value for key, value in table.items()}
        options = {parameter.name for parameter in context.command.params}
        for key in defaults:
            if key not in options:
                raise UnknownNameError(f"option under [run] in {file}", key, filter(None, options))
        context.default_map = {
            key: ",".join(map(str, value)) if isinstance(value, list) and key in FROM_COMMAS else value
            for key, value in defaults.items()
        }
    return file


RUN_OPTIONS = (
    click.option("--method", required=True, metavar="NAME,...", help="Methods to run, or all."),
    click.option("--dataset", required=True, metavar="NAME,...", help="Data sets to test on, or all."),
    click.option(
        "--task",
        metavar="TASK,...",
        help=f"{', '.join(Task)}, or all. By default the tasks of the published experiment on the data set; "
        "with --dataset all, every task.",
    ),
    click.option(
        "--segmenter",
        metavar="NAME,...",
        help="Segmenters, mmsegmentation configs, or all for those that the data set names: the segmenters "
        "of the published experiment, or lighter ones with the presets small and smoke. By default the first "
        "of these.",
    ),
    click.option(
        "--train-segmenter",
        metavar="NAME",
        help="Fit methods that learn from out-of-fold predictions on the predictions of this segmenter.",
    ),
    click.option(
        "--train-dataset", metavar="NAME", help="Train on this data set instead of the one that is tested."
    ),
    variant_option,
    preset_option,
    protocol_option,
    click.option("--seed", default="0", show_default=True, metavar="NUMBER,...", help="Seeds of the runs."),
    click.option(
        "--segmenter-seed",
        type=click.IntRange(0),
        help="Train the segmenter with this seed; by default with the seed of the run.",
    ),
    data_option,
    workspace_option,
    click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N."),
    click.option(
        "--precision",
        type=click.Choice(["32", "bf16-mixed", "16-mixed"]),
        default="32",
        show_default=True,
        help="Arithmetic of the networks. Scores are float32 whatever this is.",
    ),
    checkpoint_option,
    set_option,
    click.option(
        "--sweep",
        "sweeps",
        multiple=True,
        metavar="NAME.KEY=VALUE,...",
        help="Run once with each value of a hyper-parameter; with several --sweep, each combination.",
    ),
    click.option(
        "--config",
        type=PATH,
        is_eager=True,
        callback=_read_defaults,
        help="A TOML file. Its table [run] holds options of this command, a table [NAME] hyper-parameters of "
        "the method or segmenter NAME. The command line goes before the file.",
    ),
)


def run_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say what runs on what."""
    return reduce(lambda decorated, option: option(decorated), reversed(RUN_OPTIONS), command)


def home() -> Path:
    """The default workspace: `BENCH_HOME`, or a folder in the user's cache."""
    return Path(os.environ.get("BENCH_HOME") or DEFAULT_HOME)


def imported_file(workspace: Path, name: str) -> Path:
    """The file in which `bench import-checkpoint` keeps a checkpoint of this name."""
    return workspace / "checkpoints" / f"{name}.safetensors"


def names(text: str | None, option: str) -> tuple[str, ...]:
    """The names in a text that separates them by commas; none where the option is not given.

    Raises:
        click.UsageError: the option is given without a name.
    """
    parts = tuple(part.strip() for part in (text or "").split(",") if part.strip())
    if text is not None and not parts:
        raise click.UsageError(f"{option} names nothing: give names separated by commas")
    return parts


def names_or_all(text: str, option: str) -> tuple[str, ...]:
    """Like `names`, but `all` gives an empty tuple."""
    return () if text == "all" else names(text, option)


def by_dataset(values: tuple[str, ...]) -> dict[str, str]:
    """The values of an option `[DATASET=]VALUE` by data set; the key "" stands for every data set.

    A text with "=" is a value as a whole, a path, where the part before "=" can be no name of a data set.
    """
    values_by_dataset = {}
    for text in values:
        name, equals, value = text.partition("=")
        if not equals or set(name) & set("/\\.~"):
            name, value = "", text
        values_by_dataset[name] = value
    return values_by_dataset


def data_folders(values: tuple[str, ...]) -> dict[str, Path]:
    """The folders to look for data sets in, by data set: those of `--data`, or those of `BENCH_DATA`."""
    given = values or tuple(filter(None, os.environ.get("BENCH_DATA", "").split(os.pathsep)))
    return {name: Path(folder) for name, folder in by_dataset(given).items()}


def make_request(options: Mapping[str, Any]) -> Request:
    """The request for a run that the options of a command make.

    Args:
        options: those of `RUN_OPTIONS`, of which a command may lack some, and `records`, `rerun` and
            `tune_on` where the command has them.

    Raises:
        click.UsageError: `--seed` or a list of names is malformed.
        BenchError: a task is unknown, or `--set`, `--sweep` or the file of `--config` is malformed.
    """
    from ..plugins.configure import parse_options, parse_sweeps
    from ..run.request import Request

    workspace = options["workspace"] or home()
    preset = options["preset"]
    return Request(
        methods=names_or_all(options["method"], "--method"),
        datasets=names_or_all(options["dataset"], "--dataset"),
        tasks=_tasks(options.get("task")),
        segmenters=names(options["segmenter"], "--segmenter"),
        train_segmenter=options.get("train_segmenter"),
        train_dataset=options["train_dataset"],
        variants=by_dataset(options["variant"]),
        data=data_folders(options["data"]),
        preset=Preset(preset) if preset else None,
        protocol=Protocol(options["protocol"]),
        seeds=_seeds(options["seed"]),
        segmenter_seed=options.get("segmenter_seed"),
        workspace=workspace,
        records=options.get("records"),
        device=options["device"],
        precision=options["precision"],
        checkpoint=_checkpoint(options["checkpoint"], workspace),
        rerun=options.get("rerun", "missing"),
        options=parse_options(options["sets"], options.get("config")),
        sweeps=parse_sweeps(options.get("sweeps", ())),
        tune_on=options.get("tune_on"),
    )


def _tasks(text: str | None) -> tuple[Task, ...]:
    if text == "all":
        return tuple(Task)
    asked = names(text, "--task")
    for name in asked:
        if name not in list(Task):
            raise UnknownNameError("task", name, Task)
    return tuple(map(Task, asked))


def _seeds(text: str) -> tuple[int, ...]:
    numbers = names(text, "--seed")
    if not all(number.isdecimal() for number in numbers):
        raise click.UsageError(f"--seed {text}: expected whole numbers from 0 on, separated by commas")
    return tuple(map(int, numbers))


def _checkpoint(checkpoint: Path | None, workspace: Path) -> Path | None:
    """A checkpoint given by its file, or by the name under which it was imported."""
    if checkpoint is None or checkpoint.is_file() or len(checkpoint.parts) > 1:
        return checkpoint
    imported = imported_file(workspace, checkpoint.name)
    return imported if imported.is_file() else checkpoint
