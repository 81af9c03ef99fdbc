"""Linear maps from a few numbers to a quality."""

import numpy as np
import pytest
from segalarm.benchmark.interfaces.errors import BenchError
from segalarm.methods.building_blocks.regression import RIDGE, Linear, fit_linear

rng = np.random.default_rng(0)


def test_within_an_error_of_1_it_is_ridge_regression():
    features, quality = rng.random((50, 3)), rng.random((50, 1))
    scaled = (features - features.mean(0)) / features.std(0)
    # The normal equations; centred features leave the bias at the mean.
    weights = np.linalg.solve(scaled.T @ scaled + RIDGE * np.eye(3), scaled.T @ quality)
    expected = scaled @ weights + quality.mean()
    np.testing.assert_allclose(fit_linear(features, quality)(features), expected, atol=1e-6)


def test_an_outlier_pulls_linearly():
    features = np.linspace(0, 1, 40)[:, None]
    quality = 0.5 * features
    quality[-1] = 30.0
    slope = fit_linear(features, quality).weights[0, 0]
    least_squares = np.polyfit(features[:, 0], quality[:, 0], 1)[0]
    assert least_squares > 4
    assert slope < 1


def test_images_where_a_class_does_not_count_are_left_out():
    features, quality = rng.random((40, 2)), rng.random((40, 2))
    quality[::3, 0] = np.nan
    both, alone = fit_linear(features, quality), fit_linear(features, quality[:, 1:])
    np.testing.assert_allclose(both.weights[1], alone.weights[0], atol=1e-6)
    assert np.isfinite(both(features)).all()


def test_a_class_that_counts_nowhere_gets_the_mean_of_the_others():
    quality = rng.random((20, 3))
    quality[:, 1] = np.nan
    found = fit_linear(rng.random((20, 4)), quality)(rng.random(4))
    assert found[1] == pytest.approx(np.nanmean(quality))


def test_in_volumes_the_background_says_nothing_of_a_structure():
    quality = np.stack([np.full(20, 0.99), rng.random(20), np.full(20, np.nan)], axis=1)
    features = rng.random((20, 3))
    found = fit_linear(features, quality, own=True, background=True)(rng.random(3))
    assert found[2] == pytest.approx(quality[:, 1].mean())
    assert found[0] == pytest.approx(0.99)
    quality[:, 1] = np.nan
    assert fit_linear(features, quality, own=True, background=True)(rng.random(3))[1:].tolist() == [0, 0]


def test_a_feature_that_never_varies_is_harmless():
    features = np.hstack([rng.random((20, 1)), np.full((20, 1), 3.0)])
    found = fit_linear(features, features[:, :1])
    assert found.weights[0, 1] == 0


def test_own_features_alone():
    found = fit_linear(rng.random((30, 3)), rng.random((30, 3)), own=True)
    assert (found.weights[~np.eye(3, dtype=bool)] == 0).all()
    assert (np.diag(found.weights) != 0).all()


def test_nothing_to_regress_is_an_error():
    with pytest.raises(BenchError, match="no class has a quality"):
        fit_linear(np.zeros((3, 2)), np.full((3, 2), np.nan))


def test_it_is_written_and_read(tmp_path):
    one = fit_linear(rng.random((9, 2)), rng.random((9, 3)))
    one.save(tmp_path)
    other = Linear.load(tmp_path)
    np.testing.assert_array_equal(one(np.ones(2)), other(np.ones(2)))
