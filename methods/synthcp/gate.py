"""The alarm that scores a pixel in place of Eq. 9 where the segmenter is sure (Section 3.3).

The published alarm is MSP. Using the others here is this project's own idea.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import ValidationError
from torch import Tensor

from ...benchmark.interfaces import Features, Method, Task
from ...benchmark.plugins.registry import load_registry

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


def make_alarm(name: Alarm, options: Mapping[str, Any], features: Features) -> Method | None:
    """Make an alarm by name.

    Args:
        name: name of the alarm.
        options: values of some hyper-parameters of the alarm. The others have the defaults of the class.
        features: the features of Eq. 9. Alarms on features read them, too, unless `options` names others.

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
    # From the registry: results depend on the code of the chosen alarm alone, and an alarm may be moved.
    alarm: type[Method] = load_registry().get("methods", name).load()
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
