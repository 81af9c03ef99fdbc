"""AUROC, AP and FPR95 against scikit-learn, a hand-worked example and the FPR95 rule as stated."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from segalarm.benchmark.metrics import Ranking, ranking_metrics, success_ap
from sklearn.metrics import average_precision_score, roc_auc_score

pytestmark = pytest.mark.filterwarnings("error")

SPECIAL = np.array(
    [-np.inf, -3e38, -1.0, -1e-45, -0.0, 0.0, 1e-45, 0.5, 1.0, 1.0000001, 3e38, np.inf], np.float32
)


def fpr95_by_definition(score: np.ndarray, positive: np.ndarray) -> float:
    """Walk down every distinct threshold."""
    best, fpr = math.inf, math.nan
    for threshold in np.unique(score)[::-1]:
        taken = score >= threshold
        recall = np.count_nonzero(taken & positive) / np.count_nonzero(positive)
        if abs(recall - 0.95) <= best:
            best = abs(recall - 0.95)
            fpr = np.count_nonzero(taken & ~positive) / np.count_nonzero(~positive)
        if recall == 1:
            break
    return fpr


def expected(score: np.ndarray, positive: np.ndarray) -> Ranking:
    # scikit-learn refuses infinities: ranks keep the order and the ties.
    ranks = np.unique(score, return_inverse=True)[1]
    return Ranking(
        roc_auc_score(positive, ranks),
        average_precision_score(positive, ranks),
        fpr95_by_definition(score, positive),
    )


def assert_matches(score: np.ndarray, positive: np.ndarray) -> None:
    np.testing.assert_allclose(
        ranking_metrics(score, positive), expected(score, positive), rtol=0, atol=1e-12
    )
    ranks = np.unique(score, return_inverse=True)[1]
    assert success_ap(score, positive) == pytest.approx(average_precision_score(~positive, -ranks), abs=1e-12)


def test_hand_worked_example() -> None:
    # Descending: + (0.9), - and + tied (0.8), - (0.1). Pairs won: 0.9 beats both, 0.8 ties one and beats one.
    got = ranking_metrics([0.1, 0.8, 0.9, 0.8], [0, 0, 1, 1])
    assert got == Ranking(auroc=3.5 / 4, ap=0.5 * 1 + 0.5 * 2 / 3, fpr95=0.5)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_ties_infinities_and_signed_zeros_match_scikit_learn(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 60))
    score = data.draw(hnp.arrays(np.float32, size, elements=st.sampled_from(SPECIAL.tolist())))
    positive = data.draw(hnp.arrays(np.bool_, size))
    if 0 < positive.sum() < size:
        assert_matches(score, positive)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_floats_match_scikit_learn(data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from([np.float16, np.float32, np.float64]))
    size = data.draw(st.integers(2, 40))
    width = np.dtype(dtype).itemsize * 8
    score = data.draw(hnp.arrays(dtype, size, elements=st.floats(allow_nan=False, width=width)))
    positive = data.draw(hnp.arrays(np.bool_, size))
    if 0 < positive.sum() < size:
        assert_matches(score, positive)


@pytest.mark.parametrize("fraction", [0.001, 0.05, 0.5, 0.97])
@pytest.mark.parametrize(
    "shape", ["uniform", "normal", "saturated", "levels", "negated confidence", "constant"]
)
def test_distributions_match_scikit_learn(shape: str, fraction: float) -> None:
    rng = np.random.default_rng(5)
    positive = rng.random(3000) < fraction
    positive[:2] = True, False
    latent = rng.standard_normal(3000).astype(np.float32) + positive
    score = {
        "uniform": rng.random(3000, dtype=np.float32),
        "normal": latent,
        "saturated": np.maximum(latent, 0),
        "levels": np.round(latent * 4) / 4,
        "negated confidence": -1 / (1 + np.exp(-np.abs(8 * latent))),
        "constant": np.full_like(latent, 0.25),
    }[shape]
    assert score.dtype == np.float32
    assert_matches(score, positive)


@pytest.mark.parametrize("positives", [1, 2, 7, 10, 19, 20, 21, 30, 40, 60])
def test_fpr95_where_two_recalls_are_nearly_as_near(positives: int) -> None:
    rng = np.random.default_rng(positives)
    positive = np.arange(positives + 50) < positives
    score = rng.permutation(positive.size).astype(np.float32)
    assert ranking_metrics(score, positive).fpr95 == fpr95_by_definition(score, positive)


def test_float64_scores_keep_differences_that_float32_loses() -> None:
    score = 1.0 + np.arange(4) * 1e-12
    assert ranking_metrics(score, score > score[1]) == Ranking(1.0, 1.0, 0.0)


def test_negative_zero_equals_zero() -> None:
    assert ranking_metrics(np.float32([0.0, -0.0]), [True, False]).auroc == 0.5


def test_a_strided_or_byte_swapped_view_gives_the_same() -> None:
    rng = np.random.default_rng(0)
    score, positive = rng.standard_normal((40, 60)).astype(np.float32), rng.random((40, 60)) < 0.3
    plain = ranking_metrics(score[::2, ::3].copy(), positive[::2, ::3].copy())
    assert ranking_metrics(score[::2, ::3], positive[::2, ::3]) == plain
    assert ranking_metrics(score.astype(">f4")[::2, ::3], positive[::2, ::3]) == plain


def test_the_input_is_left_unchanged() -> None:
    rng = np.random.default_rng(0)
    score, positive = rng.standard_normal(500).astype(np.float32), rng.random(500) < 0.3
    before = score.copy()
    ranking_metrics(score, positive)
    np.testing.assert_array_equal(score, before)


def test_pixels_that_are_not_valid_are_not_looked_at() -> None:
    score = np.array([[0.9, np.nan], [0.2, 0.1]], np.float32)
    positive, valid = np.array([[True, True], [False, False]]), np.array([[True, False], [True, True]])
    assert ranking_metrics(score, positive, valid) == Ranking(1.0, 1.0, 0.0)


@pytest.mark.parametrize("position", [0, 3])
def test_a_nan_score_makes_everything_undefined(position: int) -> None:
    score = np.array([0.1, 0.2, 0.3, 0.4], np.float32)
    score[position] = np.nan
    positive = np.array([True, False, True, False])
    assert np.isnan(ranking_metrics(score, positive)).all()
    assert math.isnan(success_ap(score, positive))


def test_empty_and_single_class_input_is_undefined_and_silent() -> None:
    empty = np.zeros((0, 5), np.float32)
    assert np.isnan(ranking_metrics(empty, empty > 0)).all()
    score = np.float32([0.1, 0.2])
    assert np.isnan(ranking_metrics(score, [False, False])).all()
    assert np.isnan(ranking_metrics(score, [True, True], [False, False])).all()
    only_positives = ranking_metrics(score, [True, True])
    assert math.isnan(only_positives.auroc)
    assert math.isnan(only_positives.fpr95)
    assert only_positives.ap == average_precision_score([True, True], score) == 1.0


def test_wrong_shapes_and_labels_are_refused() -> None:
    score = np.zeros((2, 3), np.float32)
    with pytest.raises(ValueError, match=r"`positive` has shape \(3, 2\)"):
        ranking_metrics(score, np.zeros((3, 2), bool))
    with pytest.raises(ValueError, match="only 0 and 1"):
        ranking_metrics(score, np.full((2, 3), 255, np.uint8))
    with pytest.raises(TypeError, match="int64"):
        ranking_metrics(np.zeros((2, 3), np.int64), np.zeros((2, 3), bool))
