"""Expected calibration error on cases worked by hand."""

import numpy as np
import pytest
from segalarm.benchmark.metrics import CalibrationState, calibration_error


def test_bins_are_weighed_by_their_pixels():
    # Bin of 0.9: 3 of 4 right, off by 0.15; bin of 0.2: 1 of 1 right, off by 0.8.
    confidence, right = [0.9] * 4 + [0.2], [True, True, True, False, True]
    assert calibration_error(confidence, right) == pytest.approx((4 * 0.15 + 0.8) / 5)


def test_errors_of_both_signs_cancel_within_a_bin_only():
    assert calibration_error([0.50, 0.52], [True, False], bins=1) == pytest.approx(0.01)
    assert calibration_error([0.25, 0.75], [True, False], bins=2) == pytest.approx(0.75)


def test_the_edges_belong_to_the_lower_bin():
    assert calibration_error([0.0, 0.5], [True, True], bins=2) == pytest.approx(0.75)
    assert calibration_error([1.0, 0.5], [False, True], bins=2) == pytest.approx((1.0 + 0.5) / 2)


def test_images_one_by_one_give_what_all_at_once_do():
    rng = np.random.default_rng(0)
    confidence = rng.random((5, 30, 20))
    right = rng.random(confidence.shape) < confidence
    state = CalibrationState()
    for image in zip(confidence, right, strict=True):
        state.update(*image)
    assert state.compute() == pytest.approx(calibration_error(confidence, right), abs=1e-12)
    assert state.compute() < 0.05


def test_what_is_no_probability_is_refused():
    with pytest.raises(ValueError, match=r"outside \[0, 1\]"):
        calibration_error([1.2], [True])
    with pytest.raises(ValueError, match=r"outside \[0, 1\]"):
        calibration_error([np.nan], [True])
    with pytest.raises(ValueError, match="shapes differ"):
        calibration_error([0.5], [True, False])
    assert np.isnan(calibration_error([], []))
