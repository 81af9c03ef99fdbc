"""What a run is set to (task, preset, protocol), and the base class of every configuration."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict


class Task(StrEnum):
    """What a method is asked for."""

    PIXEL_FAILURE = "pixel-failure"
    IMAGE_FAILURE = "image-failure"
    ANOMALY = "anomaly"


class Preset(StrEnum):
    """Sizes and lengths: as published on a GPU, minutes to hours on two cores, seconds."""

    FULL = "full"
    SMALL = "small"
    SMOKE = "smoke"


class Protocol(StrEnum):
    """What the published code computes with its defects mended, or what the paper's text says."""

    OFFICIAL = "official"
    PAPER = "paper"


class Config(BaseModel):
    """Hyper-parameters of a plugin. An unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def files(self) -> list[Path]:
        """The files that it names; what depends on the configuration depends on their content."""
        own = list(self.__dict__.values())
        inner = [file for value in own if isinstance(value, Config) for file in value.files()]
        return [value for value in own if isinstance(value, Path)] + inner


AnyConfig = Config
"""For annotations in classes that have an attribute `Config`."""
