"""A plugin's configuration: its own defaults, then those of preset and protocol, then the user's options."""

from __future__ import annotations

import itertools
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..interfaces import Config, DatasetInfo, Method, Preset, Protocol, Segmenter
from ..interfaces.errors import BenchError, UnknownNameError


def parse_options(pairs: Sequence[str], file: Path | None) -> dict[str, dict[str, Any]]:
    """The hyper-parameters that the user sets, with `--set name.key=value` or in the tables of a TOML file.

    A value is JSON where it parses as such, else text. A key may be nested: `name.part.key=value`. `--set`
    wins over the file.

    Returns:
        Name of a method or segmenter -> key -> value, or a nested mapping.

    Raises:
        BenchError: a pair is malformed, or the file is missing or no TOML.
    """
    options: dict[str, dict[str, Any]] = {}
    if file is not None:
        for name, table in read_toml(file).items():
            if isinstance(table, dict) and name != "run":
                options[name] = dict(table)
    for pair in pairs:
        name, key, text = _split("--set", pair)
        options[name] = merged(options.get(name, {}), nested(key, _value(text)))
    return options


def parse_sweeps(pairs: Sequence[str]) -> dict[str, dict[str, list[Any]]]:
    """The values to compare, from `--sweep name.key=value,value,...`.

    Returns:
        Name of a method or segmenter -> key (nested keys joined by dots) -> values.

    Raises:
        BenchError: a pair is malformed.
    """
    sweeps: dict[str, dict[str, list[Any]]] = {}
    for pair in pairs:
        name, key, text = _split("--sweep", pair)
        sweeps.setdefault(name, {})[key] = [_value(part) for part in text.split(",")]
    return sweeps


def swept(options: Mapping[str, Any], sweep: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """The options with every combination of the sweep's values."""
    for values in itertools.product(*sweep.values()):
        combined = dict(options)
        for key, value in zip(sweep, values, strict=True):
            combined = merged(combined, nested(key, value))
        yield combined


def nested(key: str, value: Any) -> dict[str, Any]:
    """`{"a": {"b": value}}` for the key "a.b"."""
    first, dot, rest = key.partition(".")
    return {first: nested(rest, value) if dot else value}


def merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping with the keys of both; the second wins. Nested mappings are merged, not replaced."""
    both = dict(one)
    for key, value in other.items():
        old = both.get(key)
        both[key] = merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return both


def _split(option: str, pair: str) -> tuple[str, str, str]:
    path, equals, text = pair.partition("=")
    name, dot, key = path.partition(".")
    if not (equals and dot and name and all(key.split("."))):
        raise BenchError(f"{option} {pair}: expected NAME.KEY=VALUE, for example mcdropout.passes=20")
    return name, key, text


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


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
    fields = plugin.Config.model_fields
    for key in options:
        if key not in fields:
            raise UnknownNameError(f"option of {name}", key, fields)
    try:
        return plugin.Config(**merged(plugin.defaults(preset, protocol, dataset), options))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        # An error of the whole, where options do not go together, has no key.
        where = f"{name}.{key} = {first['input']!r}" if key else name
        raise BenchError(f"{where}: {first['msg'].removeprefix('Value error, ')}") from error
