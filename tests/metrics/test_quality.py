"""Image-level metrics against scipy, and their undefined cases."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from segalarm.benchmark.metrics import quality_metrics, quality_table

pytestmark = pytest.mark.filterwarnings("error")


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=2, max_size=40))
def test_correlations_with_ties_match_scipy(pairs: list[tuple[int, int]]) -> None:
    predicted, actual = np.array(pairs).T / 10
    got = quality_metrics(predicted, actual)
    if np.ptp(predicted) == 0 or np.ptp(actual) == 0:
        assert np.isnan([got.pearson, got.spearman]).all()
    else:
        assert got.pearson == pytest.approx(stats.pearsonr(predicted, actual).statistic, abs=1e-12)
        assert got.spearman == pytest.approx(stats.spearmanr(predicted, actual).statistic, abs=1e-12)


def test_hand_worked_example() -> None:
    # Errors 0.1 and 0.3 for one class: mean 0.2, deviation 0.1. The order is reversed.
    got = quality_metrics([[0.5], [0.4]], [[0.6], [0.7]])
    np.testing.assert_allclose(got, [0.2, 0.1, -1, -1], rtol=0, atol=1e-15)


def test_a_class_counts_only_where_it_is_scored_and_classes_weigh_alike() -> None:
    predicted = np.array([[0.5, 0.1], [0.7, 0.2], [0.9, np.nan]])
    actual = np.array([[0.4, 0.3], [0.7, 0.6], [0.8, np.nan]])
    table = quality_table(predicted, actual)
    assert table.images.tolist() == [3, 2]
    np.testing.assert_allclose(table.mae, [0.2 / 3, 0.3], atol=1e-15)
    assert quality_metrics(predicted, actual).mae == pytest.approx((0.2 / 3 + 0.3) / 2)


def test_undefined_correlations_are_nan_and_left_out_of_the_average() -> None:
    rng = np.random.default_rng(0)
    predicted, actual = rng.random((10, 4)), rng.random((10, 4))
    predicted[:, 1] = 0.1
    actual[:, 2] = 0.7
    actual[1:, 3] = np.nan
    table = quality_table(predicted, actual)
    assert np.isnan(table.pearson).tolist() == np.isnan(table.spearman).tolist() == [False, True, True, True]
    assert not np.isnan(table.mae).any()
    assert quality_metrics(predicted, actual).pearson == table.pearson[0]


def test_a_missing_prediction_makes_its_class_undefined() -> None:
    predicted, actual = np.full((4, 2), 0.5), np.linspace(0, 1, 8).reshape(4, 2)
    predicted[2, 0] = np.nan
    table = quality_table(predicted, actual)
    assert np.isnan(table.mae).tolist() == [True, False]


def test_nothing_to_score_is_nan_and_silent() -> None:
    assert np.isnan(quality_metrics(np.zeros((0, 3)), np.zeros((0, 3)))).all()
    assert np.isnan(quality_metrics(np.zeros((2, 3)), np.full((2, 3), np.nan))).all()
    one = quality_metrics([[0.5]], [[0.75]])
    assert one[:2] == (0.25, 0)
    assert np.isnan(one[2:]).all()


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(3, 2\)"):
        quality_metrics(np.zeros((2, 3)), np.zeros((3, 2)))
