"""Facts about a network that its weights do not tell, such as a layer without weights, kept in the header."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import load, save_file


def add_facts(file: Path, facts: Mapping[str, str]) -> None:
    """Write facts, name -> value, into the header of a safetensors file. Its weights stay as they are."""
    if facts:
        save_file(load(file.read_bytes()), file, metadata=dict(facts))


def facts_of(file: Path) -> dict[str, str]:
    """The facts in the header of a checkpoint; none for a file that is no safetensors file."""
    if file.suffix != ".safetensors":
        return {}
    with safe_open(file, framework="pt") as content:
        return dict(content.metadata() or {})
