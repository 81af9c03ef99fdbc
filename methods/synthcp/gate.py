"""The alarm that scores a pixel in place of Eq. 9 where the segmenter is sure (Section 3.3).

The published alarm is MSP. Using the others here is this project's own idea.
"""

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
"""Name of an alarm -> its module and class, for all alarms but "msp".

The class is imported when the alarm is chosen, so that results depend on the code of the chosen alarm alone.
"""


def make_alarm(name: Alarm, options: Mapping[str, Any], features: Features) -> Method | None:
    """Make an alarm by name.

    Args:
        name: name of the alarm.
        options: values of some hyper-parameters of the alarm. The others have the defaults of the class.
        features: the features of Eq. 9, which an alarm on features reads too unless `options` names others.

    Returns:
        The alarm; None for "msp", which is the confidence of the prediction.

    Raises:
        ValueError: an option is unknown or out of range.
    """
    if name == "msp":
        if options:
            raise ValueError(
                "msp has no hyper-parameters: leave gate_options out, or choose another gate_with"
            )
        return None
    module, class_name = CLASSES[name]
    alarm: type[Method] = getattr(importlib.import_module(module, __package__), class_name)
    feature_options = {
        key: value for key, value in vars(features).items() if key in alarm.Config.model_fields
    }
    try:
        return alarm(alarm.Config(**(feature_options | dict(options))), Task.ANOMALY)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{name}.{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def squeezed(score: Tensor, limit: float) -> Tensor:
    """Bring the scores of any alarm into (0, limit), in the same order: limit · (1 + z / (1 + |z|)) / 2.

    z = sign(s) · log(1 + |s|) of the score s. The logarithm keeps large scores apart: with z = s, scores such
    as squared distances in thousands of channels would be tied in float32.

    With limit = 1 - t the result replaces 1 - p, which lies in (0, 1 - t) above the threshold t: a pixel that
    the segmenter is sure of scores below nearly all pixels that Eq. 9 scores, and the alarm orders the sure
    pixels.

    Args:
        score: the scores s, of any shape.
        limit: upper limit of the result.
    """
    z = score.sign() * score.abs().log1p()
    return limit * (1 + z / (1 + z.abs())) / 2
