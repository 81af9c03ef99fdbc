"""Means over images: duplicates count once, images without both classes are skipped."""

import itertools

import numpy as np
import pytest
from segalarm.benchmark.metrics import PerImageState, ranking_metrics, success_ap


def image(seed: int) -> tuple[str, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    positive = rng.random((20, 30)) < 0.1
    return f"town/{seed}", (rng.standard_normal((20, 30)) + positive).astype(np.float32), positive


def state_of(*seeds: int) -> PerImageState:
    state = PerImageState(success=True)
    for seed in seeds:
        state.update(*image(seed))
    return state


def test_the_mean_of_each_metric() -> None:
    got = state_of(0, 1, 2).compute()
    images = [image(seed)[1:] for seed in range(3)]
    for name in ("auroc", "ap", "fpr95"):
        mean = np.mean([getattr(ranking_metrics(*pixels), name) for pixels in images])
        assert getattr(got.value, name) == pytest.approx(mean, abs=1e-14)
    assert got.value.ap_success == pytest.approx(
        np.mean([success_ap(*pixels) for pixels in images]), abs=1e-14
    )
    assert (got.images, got.skipped) == (3, 0)


def test_images_without_both_classes_are_skipped_and_counted() -> None:
    state = state_of(0)
    value = state.compute().value
    state.update("none", np.float32([1, 2]), [False, False])
    state.update("all", np.float32([1, 2, 3]), [True, True, False], [True, True, False])
    state.update("void", np.float32([1, 2]), [True, False], [False, False])
    got = state.compute()
    assert got.value == value
    assert (got.images, got.skipped) == (1, 3)
    assert list(state.values()) == ["town/0"]


def test_duplicates_of_padded_samplers_count_once_in_any_merge_order() -> None:
    wanted = state_of(0, 1, 2, 3).compute()
    for parts in itertools.permutations([(0, 1), (2, 3), (3, 0)]):
        merged = PerImageState(success=True)
        for part in parts:
            merged.merge(state_of(*part))
        merged.merge(merged)
        assert merged.compute() == wanted


def test_one_key_with_two_results_is_an_error() -> None:
    state = state_of(0)
    with pytest.raises(ValueError, match="town/0"):
        state.update("town/0", *image(1)[1:])
    other = PerImageState(success=True)
    other.update("town/0", *image(1)[1:])
    with pytest.raises(ValueError, match="town/0"):
        state.merge(other)


def test_a_nan_score_shows_in_the_mean_instead_of_vanishing() -> None:
    state = state_of(0)
    for _ in range(2):
        state.update("broken", np.float32([np.nan, 1]), [True, False])
    got = state.compute()
    assert np.isnan(got.value).all()
    assert got.nan_keys == ("broken",)


def test_round_trip_and_empty_state() -> None:
    for state in (state_of(), state_of(0, 1)):
        back = PerImageState.from_arrays(state.to_arrays())
        np.testing.assert_array_equal(back.compute().value, state.compute().value)
        assert back.values() == state.values()
        assert back.success
