"""The one line that says what a plugin raised, and where."""

from types import SimpleNamespace

import numpy as np
import pytest
from segalarm.benchmark.data.loading import load_batches
from segalarm.benchmark.interfaces import Sample
from segalarm.benchmark.run.failure_reason import reason_of

OWN = __name__.partition(".")[0]
NOTHING = SimpleNamespace(logits=None, members=None)


def reads_logits():
    return NOTHING.logits.max(0)


def reads_in_two_steps():
    logits = NOTHING.logits
    return logits.max(0)


def fails_elsewhere():
    raise KeyError("cow")


@pytest.mark.parametrize(
    ("function", "hint"),
    [
        (reads_logits, "`prediction.logits` is None: ask for it in `needs()`"),
        (reads_in_two_steps, "A part of a prediction is None unless `needs()` asks for it"),
        (fails_elsewhere, ""),
    ],
)
def test_the_line_of_the_plugin_is_named_with_a_hint(function, hint):
    with pytest.raises((AttributeError, KeyError)) as caught:
        function()
    reason = reason_of(caught.value, {OWN})
    line = function.__code__.co_firstlineno + (2 if function is reads_in_two_steps else 1)
    assert f"({__file__}:{line})" in reason
    assert reason.endswith(hint or ")")
    assert reason_of(caught.value) == f"{type(caught.value).__name__}: {caught.value}"


def test_of_an_error_in_a_worker_the_last_line_is_the_reason():
    def read_truth():
        raise ValueError("the label is upside down")

    samples = [Sample("a", lambda: np.zeros((3, 2, 2), np.float32), read_truth)]
    with pytest.raises(ValueError, match="Original Traceback") as caught:
        list(load_batches(samples, 1, workers=1))
    assert reason_of(caught.value) == (
        "ValueError: the label is upside down (in a worker process that reads samples)"
    )
