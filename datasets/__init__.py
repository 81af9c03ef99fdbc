"""The data sets, one file each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segalarm.benchmark.hookspecs import hookimpl
from segalarm.benchmark.interfaces import Task

if TYPE_CHECKING:
    from segalarm.benchmark.plugins import Register

_FAILURE = (Task.PIXEL_FAILURE, Task.IMAGE_FAILURE)
_DECATHLON = (
    ("pancreas", "Pancreas", "281 abdominal CTs with pancreas and tumour"),
    ("hippocampus", "Hippocampus", "260 brain MRs with two parts of a hippocampus"),
    ("braintumour", "BrainTumour", "484 brain MRs with parts of a glioma"),
    ("heart", "Heart", "20 heart MRs with the left atrium"),
    ("liver", "Liver", "131 abdominal CTs with liver and tumour"),
    ("prostate", "Prostate", "32 prostate MRs with two zones"),
    ("lung", "Lung", "63 thoracic CTs with a tumour"),
    ("hepaticvessel", "HepaticVessel", "303 abdominal CTs with the liver's vessels and tumour"),
    ("spleen", "Spleen", "41 abdominal CTs with the spleen"),
    ("colon", "Colon", "126 abdominal CTs with a tumour of the colon"),
)
"""Name after "msd-", class, what it holds."""


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
        "pancreas-mini",
        f"{here}.pancreas_mini:PancreasMini",
        summary="generated CT volumes with an organ and a tumour, 120 volumes, no download",
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
    for name, kind, summary in _DECATHLON:
        register(f"msd-{name}", f"{here}.msd:{kind}", summary=f"Decathlon: {summary}", tasks=_FAILURE)
