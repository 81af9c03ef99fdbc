"""The built-in data sets, one file for each. A new one is added to `register_datasets`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..benchmark.interfaces import Task
from ..benchmark.plugins.hookspecs import hookimpl

if TYPE_CHECKING:
    from ..benchmark.plugins.registry import Register

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
"""The tasks of the Decathlon: the name after "msd-", the class in `msd`, and what the data set holds."""


@hookimpl
def register_datasets(register: Register) -> None:
    """Register the built-in data sets."""
    register(
        "streethazards-mini",
        f"{__name__}.streethazards_mini:StreetHazardsMini",
        summary="generated street scenes with unseen objects, 184 images, no download",
        tasks=(Task.ANOMALY, *_FAILURE),
    )
    register(
        "cityscapes-mini",
        f"{__name__}.cityscapes_mini:CityscapesMini",
        summary="generated street scenes with 19 classes, 160 images, no download",
        tasks=_FAILURE,
    )
    register(
        "pancreas-mini",
        f"{__name__}.pancreas_mini:PancreasMini",
        summary="generated CT volumes with an organ and a tumour, 120 volumes, no download",
        tasks=_FAILURE,
    )
    register(
        "camvid",
        f"{__name__}.camvid:CamVid",
        summary="367 real driving frames to train on and 233 to test on, 11 classes",
        tasks=_FAILURE,
    )
    register(
        "roadanomaly",
        f"{__name__}.roadanomaly:RoadAnomaly",
        summary="60 real frames with unexpected objects, for testing alone",
        tasks=(Task.ANOMALY,),
    )
    register(
        "streethazards",
        f"{__name__}.streethazards:StreetHazards",
        summary="7656 simulated street scenes with unseen objects in the test towns",
        tasks=(Task.ANOMALY, *_FAILURE),
    )
    register(
        "cityscapes",
        f"{__name__}.cityscapes:Cityscapes",
        summary="3475 street photographs with 19 classes",
        tasks=_FAILURE,
    )
    for name, class_name, summary in _DECATHLON:
        register(
            f"msd-{name}",
            f"{__name__}.msd:{class_name}",
            summary=f"Decathlon: {summary}",
            tasks=_FAILURE,
        )
