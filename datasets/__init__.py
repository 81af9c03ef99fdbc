"""The data sets, one file each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segalarm.benchmark.hookspecs import hookimpl
from segalarm.benchmark.interfaces import Task

if TYPE_CHECKING:
    from segalarm.benchmark.plugins import Register

_FAILURE = (Task.PIXEL_FAILURE, Task.IMAGE_FAILURE)


@hookimpl
def register_datasets(register: Register) -> None:
    """Add the built-in data sets."""
    here = "segalarm.datasets"
    register(
        "streethazards-mini",
        f"{here}.streethazards_mini:StreetHazardsMini",
        summary="generated street scenes with unseen objects, 184 images, no download",
        tasks=(Task.ANOMALY, *_FAILURE),
    )
    register(
        "cityscapes-mini",
        f"{here}.cityscapes_mini:CityscapesMini",
        summary="generated street scenes with 19 classes, 160 images, no download",
        tasks=_FAILURE,
    )
    register(
        "camvid",
        f"{here}.camvid:CamVid",
        summary="701 real driving frames, 11 classes",
        tasks=_FAILURE,
    )
    register(
        "roadanomaly",
        f"{here}.roadanomaly:RoadAnomaly",
        summary="60 real frames with unexpected objects, test only",
        tasks=(Task.ANOMALY,),
    )
    register(
        "streethazards",
        f"{here}.streethazards:StreetHazards",
        summary="7656 simulated street scenes, unseen objects in the test towns",
        tasks=(Task.ANOMALY, *_FAILURE),
    )
    register(
        "cityscapes",
        f"{here}.cityscapes:Cityscapes",
        summary="3475 street photographs with 19 classes",
        tasks=_FAILURE,
    )
