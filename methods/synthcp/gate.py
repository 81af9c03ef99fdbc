"""Which alarm speaks in place of Eq. 9 where the segmenter is sure (Section 3.3); MSP as published."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import ValidationError
from torch import Tensor

from ...benchmark.interfaces import Features, Method, Task

Alarm = Literal[
    "msp",
    "entropy",
    "maxlogit",
    "energy",
    "msp-crf",
    "mcdropout",
    "ensemble",
    "standardized-maxlogit",
    "mahalanobis",
    "knn",
]
CLASSES: Mapping[str, tuple[str, str]] = {
    "entropy": ("..entropy", "Entropy"),
    "maxlogit": ("..maxlogit", "MaxLogit"),
    "energy": ("..energy", "Energy"),
    "msp-crf": ("..msp_crf.method", "MSPCRF"),
    "mcdropout": ("..mcdropout", "MCDropout"),
    "ensemble": ("..ensemble", "Ensemble"),
    "standardized-maxlogit": ("..standardized_maxlogit", "StandardizedMaxLogit"),
    "mahalanobis": ("..mahalanobis", "Mahalanobis"),
    "knn": ("..knn", "KNN"),
}
"""The module and the class of every alarm but "msp".

They are imported by name when chosen, so that SynthCP's results depend on the code of the chosen alarm alone.
"""


def make_alarm(name: Alarm, options: Mapping[str, Any], features: Features) -> Method | None:
    """The alarm of a name; None for "msp", which is the prediction's own confidence.

    Args:
        options: of its hyper-parameters; the others have the values of its class.
        features: those of Eq. 9, which an alarm on features takes too.

    Raises:
        ValueError: an option is unknown or out of range.
    """
    if name == "msp":
        if options:
            raise ValueError("msp has no hyper-parameters")
        return None
    module, class_name = CLASSES[name]
    alarm: type[Method] = getattr(importlib.import_module(module, __package__), class_name)
    own = {key: value for key, value in vars(features).items() if key in alarm.Config.model_fields}
    try:
        return alarm(alarm.Config(**(own | dict(options))), Task.ANOMALY)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{name}.{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def squeezed(score: Tensor, limit: float) -> Tensor:
    """Any alarm's score, brought monotonically into (0, limit): limit · (1 + z / (1 + |z|)) / 2.

    z = sign(s) · log(1 + |s|) keeps large scores apart, squared distances in thousands of channels, say, that
    z = s would tie in float32.

    Above the threshold t, 1 - p lies in (0, 1 - t): a pixel that the segmenter is sure of stays below nearly
    all that Eq. 9 judges, and the alarm orders those pixels among themselves.
    """
    z = score.sign() * score.abs().log1p()
    return limit * (1 + z / (1 + z.abs())) / 2
