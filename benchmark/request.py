"""What one `bench run` asks for, and how a plugin's configuration follows from it."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError
from segalarm.benchmark.errors import BenchError, UnknownNameError
from segalarm.benchmark.interfaces import Config, DatasetInfo, Method, Preset, Protocol, Segmenter, Task

Rerun = Literal["never", "missing", "always"]


@dataclass(frozen=True)
class Request:
    """A run as asked for on the command line.

    Attributes:
        methods, datasets: names; empty = all.
        tasks: empty = those that the data set is published for.
        segmenters: names, or mmsegmentation configs; empty = the data set's default, "all" = all of its
            experiment.
        segmenter_seed: of the segmenters; None = the run's.
        variants, data: data set name -> variant or folder. The key "" stands for every data set, as a
            variant for those whose tree is not the release.
        preset: None = the data set's default.
        rerun: "missing" runs what has no finished record made by the present code; "never" leaves every
            cell alone that has a record; "always" runs all.
        options: plugin name -> key -> value, from `--set` and `--config`.
    """

    methods: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    tasks: tuple[Task, ...] = ()
    segmenters: tuple[str, ...] = ()
    train_segmenter: str | None = None
    train_dataset: str | None = None
    variants: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, Path] = field(default_factory=dict)
    preset: Preset | None = None
    protocol: Protocol = Protocol.OFFICIAL
    seeds: tuple[int, ...] = (0,)
    segmenter_seed: int | None = None
    workspace: Path = Path("workspace")
    records: Path | None = None
    device: str = "auto"
    precision: str = "32"
    checkpoint: Path | None = None
    rerun: Rerun = "missing"
    workers: int = 1
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def folder(self, dataset: str) -> Path | None:
        """Where a data set is to be looked for."""
        return self.data.get(dataset, self.data.get(""))

    @property
    def record_folder(self) -> Path:
        """Where records go."""
        return self.records or self.workspace / "records"


def parse_options(pairs: tuple[str, ...], file: Path | None) -> dict[str, dict[str, Any]]:
    """Read `--set name.key=value` and the tables of a TOML file; `--set` wins.

    A value is JSON where it parses as such, else text.

    Raises:
        BenchError: a pair is malformed, or the file is missing or no TOML.
    """
    options: dict[str, dict[str, Any]] = {}
    if file is not None:
        for name, table in read_toml(file).items():
            if isinstance(table, dict) and name != "run":
                options[name] = dict(table)
    for pair in pairs:
        path, equals, text = pair.partition("=")
        name, dot, key = path.rpartition(".")
        if not (equals and dot and name and key):
            raise BenchError(f"--set {pair}: expected NAME.KEY=VALUE, for example --set mcdropout.passes=20")
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        options.setdefault(name, {})[key] = value
    return options


def read_toml(file: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        BenchError: naming the file and the place.
    """
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BenchError(f"--config {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BenchError(f"--config {file} is not TOML: {error}") from error


def configure(
    plugin: type[Method] | type[Segmenter],
    name: str,
    options: Mapping[str, Any],
    preset: Preset,
    protocol: Protocol,
    dataset: DatasetInfo,
) -> Config:
    """A plugin's full configuration: its own defaults, then those of preset and protocol, then the options.

    Raises:
        BenchError: an unknown key or a value out of range; names both.
    """
    known = plugin.Config.model_fields
    for key in options:
        if key not in known:
            raise UnknownNameError(f"option of {name}", key, known)
    try:
        return plugin.Config(**{**plugin.defaults(preset, protocol, dataset), **options})
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise BenchError(f"{name}.{key} = {first['input']!r}: {first['msg']}") from error
