"""The options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from pathlib import Path

import click

from ...interfaces import Preset, Protocol, Task
from ...interfaces.errors import BenchError, UnknownNameError

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
        official="as the published code computes, with its faults corrected",
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
        from ...plugins.configure import read_toml

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
        "the method or segmenter NAME. Options on the command line override the file.",
    ),
)


def run_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say what runs on what."""
    return reduce(lambda decorated, option: option(decorated), reversed(RUN_OPTIONS), command)
