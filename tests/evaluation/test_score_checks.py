"""What is said of scores that are not what a method should return."""

from types import SimpleNamespace

import numpy as np
import pytest
from segalarm.benchmark.evaluation.score_checks import method_scores, predicted_quality
from segalarm.benchmark.interfaces import Sample, Scores
from segalarm.benchmark.interfaces.errors import BenchError

MAP = np.zeros((2, 3), np.float32)


@pytest.mark.parametrize(
    ("returned", "named"),
    [
        (MAP, "got ndarray"),
        ([MAP], "got a list of ndarray"),
        (None, "got NoneType"),
        ([Scores(pixel=MAP)] * 2, "gave 2 scores for 1 images"),
    ],
)
def test_what_is_no_list_of_scores_is_named(returned, named):
    method = SimpleNamespace(score=lambda items, context: returned)
    with pytest.raises(BenchError, match=named):
        method_scores("mine", method, [None], None)


@pytest.mark.parametrize(
    ("quality", "named"),
    [
        (None, "returned no quality"),
        (np.zeros(2), r"returned an array of shape \(2,\)"),
        (np.array([0.5, np.nan, 1]), "returned numbers that are not finite"),
    ],
)
def test_a_quality_that_cannot_be_judged_is_described(quality, named):
    sample = Sample("a", lambda: MAP, lambda: None)
    with pytest.raises(BenchError, match=f"sample 'a'.*each of 3 classes.*{named}"):
        predicted_quality(sample, Scores(quality=quality), 3)
