"""The values of options: names, values by data set, folders."""

from __future__ import annotations

import os
from pathlib import Path

import click

DEFAULT_HOME = Path.home() / ".cache" / "segalarm"


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
    texts = values or tuple(filter(None, os.environ.get("BENCH_DATA", "").split(os.pathsep)))
    return {name: Path(folder) for name, folder in by_dataset(texts).items()}
