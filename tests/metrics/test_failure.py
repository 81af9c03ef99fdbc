"""Pixel-level failure metrics on cases worked apart from the code."""

import numpy as np
import pytest
from segalarm.benchmark.metrics import failure_metrics, ranking_metrics
from sklearn.metrics import average_precision_score, roc_auc_score

VOID = 255


def maps(count: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    label = rng.integers(0, 5, (count, 12, 16))
    prediction = np.where(rng.random(label.shape) < 0.8, label, rng.integers(0, 5, label.shape))
    label[rng.random(label.shape) < 0.1] = VOID
    confidence = (rng.random(label.shape) * 0.5 + 0.5 * (prediction == label)).astype(np.float32)
    return confidence, prediction, label


def test_pooled_and_per_image_parts() -> None:
    confidence, prediction, label = maps()
    got = failure_metrics(confidence, prediction, label, VOID)
    valid = label != VOID
    error, score = (prediction != label)[valid], -confidence[valid]
    assert got.ap_error == pytest.approx(average_precision_score(error, score), abs=1e-12)
    assert got.ap_success == pytest.approx(average_precision_score(~error, -score), abs=1e-12)
    assert got.auroc == pytest.approx(roc_auc_score(error, score), abs=1e-12)
    each = [
        ranking_metrics(-c, p != t, t != VOID).fpr95
        for c, p, t in zip(confidence, prediction, label, strict=True)
    ]
    assert got.fpr95 == pytest.approx(np.mean(each), abs=1e-15)


def test_an_image_without_errors_has_no_say_in_fpr95_but_is_pooled() -> None:
    confidence, prediction, label = maps()
    flawless = label.copy()
    flawless[0] = prediction[0]
    got = failure_metrics(confidence, prediction, flawless, VOID)
    rest = failure_metrics(confidence[1:], prediction[1:], flawless[1:], VOID)
    assert got.fpr95 == rest.fpr95
    assert got.ap_error != rest.ap_error


def test_what_void_pixels_hold_does_not_matter() -> None:
    confidence, prediction, label = maps()
    wanted = failure_metrics(confidence, prediction, label, VOID)
    confidence[label == VOID] = np.nan
    prediction[label == VOID] = VOID
    assert failure_metrics(confidence, prediction, label, VOID) == wanted


def test_undefined_cases_are_nan() -> None:
    confidence, prediction, _ = maps()
    everything_void = failure_metrics(confidence, prediction, np.full_like(prediction, VOID), VOID)
    assert np.isnan(everything_void).all()
    flawless = failure_metrics(confidence, prediction, prediction, VOID)
    assert flawless.ap_success == 1
    assert np.isnan([flawless.ap_error, flawless.auroc, flawless.fpr95]).all()
    assert np.isnan(
        failure_metrics(np.zeros((0, 2, 2)), np.zeros((0, 2, 2)), np.zeros((0, 2, 2)), VOID)
    ).all()


def test_volumes_are_accepted_and_shapes_must_agree() -> None:
    confidence, prediction, label = (array.reshape(3, 2, 6, 16) for array in maps())
    assert failure_metrics(confidence, prediction, label, VOID) == failure_metrics(*maps(), VOID)
    with pytest.raises(ValueError, match="shapes differ"):
        failure_metrics(confidence[:2], prediction, label, VOID)
