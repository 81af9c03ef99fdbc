"""Where a record comes from: the code, the libraries and the machine that made its numbers."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import AwareDatetime, Field

from .json_types import Part


class Plugin(Part):
    """The package that supplied a method, data set or segmenter, and its version."""

    plugin: str
    version: str


class Git(Part):
    """The git checkout that ran. `dirty`: it had changes that were not committed."""

    commit: str
    dirty: bool


class Provenance(Part):
    """Where a record comes from; no part of the run's identity.

    Attributes:
        segmenter: None where score maps were made outside the benchmark.
        segalarm: version of this package.
        code_hash: a hash of all code that the numbers depend on, see `benchmark/storage/code_hash.py`.
        git: None where the package was installed and not run from a checkout.
        libraries: name -> version.
        device: the torch device, such as "cuda".
        device_name: the model of the hardware.
        weights: pretrained weights that were used, name -> file or "none".
    """

    method: Plugin
    dataset: Plugin
    segmenter: Plugin | None = None
    segalarm: str
    code_hash: str
    git: Git | None = None
    libraries: dict[str, str]
    python: str
    platform: str
    device: str
    device_name: str
    weights: dict[str, str] = Field(default_factory=dict)
    created: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
