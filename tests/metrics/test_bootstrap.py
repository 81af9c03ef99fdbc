"""Bootstrap intervals."""

import numpy as np
import pytest
from scipy import stats
from segalarm.benchmark.metrics import bootstrap_interval


def test_close_to_scipy_on_the_same_data() -> None:
    values = np.random.default_rng(0).random(200)
    expected = stats.bootstrap((values,), np.mean, n_resamples=4000, method="percentile", random_state=1)
    got = bootstrap_interval(values, samples=4000)
    np.testing.assert_allclose(got, expected.confidence_interval, atol=5e-3)


def test_nan_is_an_image_that_does_not_count() -> None:
    values = np.random.default_rng(0).random(50)
    assert bootstrap_interval([*values[:20], np.nan, *values[20:]]) == bootstrap_interval(values)
    assert np.isnan(bootstrap_interval([np.nan])).all()
    assert np.isnan(bootstrap_interval([])).all()


def test_the_seed_decides_and_confidence_widens() -> None:
    values = np.random.default_rng(0).random(50)
    assert (
        bootstrap_interval(values, seed=1) == bootstrap_interval(values, seed=1) != bootstrap_interval(values)
    )
    narrow, wide = bootstrap_interval(values, 0.5), bootstrap_interval(values, 0.99)
    assert wide.low < narrow.low < values.mean() < narrow.high < wide.high
    assert bootstrap_interval([0.25, 0.25]) == (0.25, 0.25)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="one value an image"):
        bootstrap_interval([[1.0]])
    with pytest.raises(ValueError, match="confidence"):
        bootstrap_interval([1.0], confidence=95)
