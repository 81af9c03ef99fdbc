"""The request for a run that the options of a command make."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...interfaces import Preset, Protocol, Task
from ...interfaces.errors import UnknownNameError
from .option_values import by_dataset, data_folders, home, imported_file, names, names_or_all

if TYPE_CHECKING:
    from ...planning.request import Request


def make_request(options: Mapping[str, Any]) -> Request:
    """The request for a run that the options of a command make.

    Args:
        options: those of `RUN_OPTIONS`, of which a command may lack some, and `records`, `rerun` and
            `tune_on` where the command has them.

    Raises:
        click.UsageError: `--seed` or a list of names is malformed.
        BenchError: a task is unknown, or `--set`, `--sweep` or the file of `--config` is malformed.
    """
    from ...planning.request import Request
    from ...plugins.configure import parse_options, parse_sweeps

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
