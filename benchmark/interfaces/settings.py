"""The settings of a run (task, preset, protocol) and the base class of every plugin's configuration."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict


class Task(StrEnum):
    """The question that a method answers about a segmentation."""

    PIXEL_FAILURE = "pixel-failure"
    """Which pixels have a wrong predicted class?"""
    IMAGE_FAILURE = "image-failure"
    """How good is the segmentation of each class in the image: which IoU (in volumes: Dice) does it reach?"""
    ANOMALY = "anomaly"
    """Which pixels show an object of no class that the segmenter was trained on?"""


class Preset(StrEnum):
    """The size of networks and the length of their training."""

    FULL = "full"
    """The published sizes and schedules, for a GPU."""
    SMALL = "small"
    """Smaller networks and shorter schedules: minutes to hours on two CPU cores."""
    SMOKE = "smoke"
    """Tiny networks, a few training steps, a few images of each split: seconds. Shows only that all runs."""


class Protocol(StrEnum):
    """The source that a method follows where the paper and its published code differ."""

    OFFICIAL = "official"
    """The published code, with its defects mended."""
    PAPER = "paper"
    """The text of the paper."""


class Config(BaseModel):
    """Hyper-parameters of a plugin, as a pydantic model. An unknown key is an error; values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def files(self) -> list[Path]:
        """The files that this configuration and the configurations inside it name.

        Whatever is computed with the configuration depends on the content of these files.
        """
        values = list(self.__dict__.values())
        inner = [file for value in values if isinstance(value, Config) for file in value.files()]
        return [value for value in values if isinstance(value, Path)] + inner


AnyConfig = Config
"""`Config` under a second name, for annotations inside classes that have an attribute `Config`."""
