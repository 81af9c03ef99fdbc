"""Risk-coverage areas against the definition, enumerated, and against a plain integral."""

import itertools

import numpy as np
import pytest
from segalarm.benchmark.metrics import PooledExactState, PooledHistogramState, quality_risk, risk_metrics

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


@pytest.mark.parametrize(
    ("predicted", "actual"),
    [
        ([0.4, 0.9, 0.6], [1.0, 0.8, 0.5]),
        ([0.5, 0.5, 0.9, 0.5], [0.1, 0.9, 1.0, 0.0]),
        ([0.3] * 4, [0, 1, 0.5, 0.2]),
    ],
)
def test_the_risk_of_images_is_what_is_lost_of_their_quality(predicted, actual):
    lost = 1 - np.array(actual)
    found = quality_risk([*predicted, 0.99], [*actual, np.nan])
    assert found.aurc == pytest.approx(enumerated(-np.array(predicted), lost), abs=1e-12)
    assert found.e_aurc == pytest.approx(found.aurc - aurc(np.sort(lost)), abs=1e-12)
    levels = np.unique(predicted)[::-1]
    coverage = [0, *(np.mean(np.array(predicted) >= level) for level in levels)]
    area = [0, *(np.mean(lost * (np.array(predicted) >= level)) for level in levels)]
    assert found.augrc == pytest.approx(np.trapezoid(area, coverage), abs=1e-12)


def test_whole_losses_are_errors():
    confidence, wrong = rng.integers(0, 9, 200) / 9, rng.random(200) < 0.3
    images, pixels = quality_risk(confidence, 1.0 - wrong), risk_metrics(-confidence, wrong)
    np.testing.assert_allclose(images, pixels, atol=1e-12)


def test_the_risk_of_no_images_is_undefined_and_other_qualities_are_refused():
    assert np.isnan(quality_risk([0.5], [np.nan])).all()
    with pytest.raises(ValueError, match="outside"):
        quality_risk([0.5], [1.5])
    with pytest.raises(ValueError, match="expected two arrays"):
        quality_risk([0.5], [0.5, 0.4])
