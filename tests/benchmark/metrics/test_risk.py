"""Risk-coverage areas against the definition, enumerated, and against a plain integral."""

import itertools

import numpy as np
import pytest
from segalarm.benchmark.metrics import PooledExactState, PooledHistogramState, risk_metrics

rng = np.random.default_rng(0)


def aurc(errors):
    """The mean selective risk of pixels accepted in this order."""
    return np.mean(np.cumsum(errors) / np.arange(1, len(errors) + 1))


def enumerated(score, error):
    """AURC, averaged over every order that sorts the scores."""
    found = [
        aurc(np.asarray(error)[list(order)])
        for order in itertools.permutations(range(len(score)))
        if all(score[a] <= score[b] for a, b in itertools.pairwise(order))
    ]
    return np.mean(found)


@pytest.mark.parametrize(
    ("score", "error"),
    [
        ([0.1, 0.2, 0.3, 0.4], [0, 1, 0, 1]),
        ([0.5] * 6, [0, 1, 0, 0, 1, 0]),
        ([0.1, 0.2, 0.2, 0.2, 0.7, 0.7], [1, 0, 1, 0, 0, 1]),
        ([0.0, 0.0, 1.0, 1.0], [1, 1, 0, 0]),
    ],
)
def test_ties_count_as_the_mean_over_their_orders(score, error):
    got = risk_metrics(score, np.array(error, bool))
    assert got.aurc == pytest.approx(enumerated(score, error), abs=1e-12)
    assert got.e_aurc == pytest.approx(got.aurc - aurc(sorted(error)), abs=1e-12)


def test_the_order_of_rows_does_not_matter():
    score, error = rng.integers(0, 8, 500) / 8, rng.random(500) < 0.3
    shuffled = rng.permutation(500)
    assert risk_metrics(score, error) == risk_metrics(score[shuffled], error[shuffled])


def test_the_generalised_risk_is_the_area_under_accepted_errors():
    score, error = rng.integers(0, 40, 400) / 40, rng.random(400) < 0.25
    thresholds = np.unique(score)
    coverage = np.array([0, *((score <= t).mean() for t in thresholds)])
    risk = np.array([0, *((error & (score <= t)).mean() for t in thresholds)])
    assert risk_metrics(score, error).augrc == pytest.approx(np.trapezoid(risk, coverage), abs=1e-12)


def test_extremes():
    error = np.array([False, False, True])
    assert risk_metrics([0.1, 0.2, 0.3], error).e_aurc == 0
    assert risk_metrics([0.1, 0.2, 0.3], np.zeros(3, bool)) == (0, 0, 0)
    assert risk_metrics([0.1, 0.2, 0.3], np.ones(3, bool)) == (1, 0.5, 0)
    assert np.isnan(risk_metrics([1, np.nan, 3.0], error)).all()
    assert np.isnan(risk_metrics([], np.zeros(0, bool))).all()


@pytest.mark.parametrize("like", ["normal", "crowded", "tied"])
def test_pooled_areas_are_within_their_bound_of_the_exact_ones(like):
    exact, histogram = PooledExactState(), PooledHistogramState()
    scores, errors = [], []
    for index in range(4):
        error = rng.random((60, 50)) < 0.2
        score = rng.standard_normal(error.shape) + error
        score = {"normal": score, "crowded": -1 / (1 + np.exp(-9 + score)), "tied": score.round(1)}[like]
        scores.append(score.astype(np.float32))
        errors.append(error)
        for state in (exact, histogram):
            state.update(str(index), scores[-1], error)
    expected = risk_metrics(np.stack(scores), np.stack(errors))
    np.testing.assert_allclose(exact.risk().value, expected, atol=1e-12)
    value, bound = histogram.risk()
    assert max(bound) < 1e-4
    assert (np.abs(np.subtract(value, expected)) <= np.array(bound) + 1e-12).all()


def test_a_score_that_is_nan_leaves_pooled_areas_undefined():
    for state in (PooledExactState(), PooledHistogramState()):
        assert np.isnan(state.risk().value).all()
        state.update("a", [0.1, np.nan], [True, False])
        assert np.isnan(state.risk().value).all()
