"""Curves from histogram bins against scikit-learn's."""

import numpy as np
import pytest
from segalarm.benchmark.metrics import PooledHistogramState
from segalarm.benchmark.metrics.curve_points import GRID
from sklearn.metrics import precision_recall_curve, roc_curve


def pooled(scores, truths):
    state = PooledHistogramState()
    for key, (score, truth) in enumerate(zip(scores, truths, strict=True)):
        state.update(str(key), score, truth)
    return state


@pytest.mark.parametrize("ties", [False, True])
def test_every_point_is_on_the_exact_curves_and_none_is_far_from_the_next(ties):
    generator = np.random.default_rng(0)
    truths = generator.random((4, 5000)) < 0.1
    scores = (generator.normal(size=truths.shape) + truths).astype(np.float32)
    if ties:
        scores = np.round(scores * 4) / 4
    found = pooled(scores, truths).curve()
    precision, recall, _ = precision_recall_curve(truths.ravel(), scores.ravel())
    exact = set(zip(recall.round(9), precision.round(9), strict=True))
    assert exact.issuperset(zip(found.recall.round(9), found.precision.round(9), strict=True))
    false, true, _ = roc_curve(truths.ravel(), scores.ravel(), drop_intermediate=False)
    exact = set(zip(false.round(9), true.round(9), strict=True))
    assert exact.issuperset(zip(found.false_positive_rate.round(9), found.recall.round(9), strict=True))
    assert found.recall[-1] == found.false_positive_rate[-1] == 1
    if not ties:
        assert np.diff(found.recall).max() < 2 / GRID
        assert len(found.recall) <= 2 * GRID + 2


def test_the_number_of_points_does_not_grow_with_the_pixels():
    generator = np.random.default_rng(1)
    truths = generator.random((8, 40_000)) < 0.5
    scores = generator.normal(size=truths.shape).astype(np.float32)
    assert len(pooled(scores, truths).curve().recall) <= 2 * GRID + 2


def test_curves_that_are_undefined_have_no_points():
    assert not pooled([np.zeros(3, np.float32)], [np.zeros(3, bool)]).curve().recall.size
    state = pooled([np.array([np.nan, 1], np.float32)], [np.array([True, False])])
    assert not state.curve().precision.size
