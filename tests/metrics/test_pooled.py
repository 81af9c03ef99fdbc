"""Pooled states: the bound holds whatever the scores, images count once, a killed run can go on."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from segalarm.benchmark.metrics import PooledExactState, PooledHistogramState, PooledRanking, RankingState
from segalarm.benchmark.metrics.brackets import Bins, bracket
from segalarm.benchmark.metrics.ordering import order
from segalarm.benchmark.metrics.ranking import rank, rank_success

pytestmark = pytest.mark.filterwarnings("error")

Image = tuple[str, np.ndarray, np.ndarray]
FLOAT32 = np.float32


def images(shape: str, fraction: float, count: int = 3, pixels: int = 4000, seed: int = 1) -> list[Image]:
    rng = np.random.default_rng(seed)
    made = []
    for index in range(count):
        positive = rng.random(pixels) < fraction
        positive[:2] = True, False
        latent = rng.standard_normal(pixels) + positive
        confidence = (1 / (1 + np.exp(-np.abs(6 * latent)))).astype(FLOAT32)
        step = rng.integers(0, 9, pixels) + 3 * positive
        score = {
            "normal": latent.astype(FLOAT32),
            "negated softmax": -confidence,
            "one minus softmax": 1 - confidence,
            "ties": np.round(latent).astype(FLOAT32),
            "constant": np.full(pixels, -0.3, FLOAT32),
            "saturated": np.maximum(latent, 0).astype(FLOAT32),
            "neighbouring floats near 100": (FLOAT32(100).view(np.int32) + step.astype(np.int32)).view(
                FLOAT32
            ),
            "neighbouring floats near -2e-30": (FLOAT32(-2e-30).view(np.int32) + step.astype(np.int32)).view(
                FLOAT32
            ),
            "subnormal": (step * 1e-45).astype(FLOAT32),
            "infinite": np.where(step > 8, np.inf, np.where(step < 2, -np.inf, latent)).astype(FLOAT32),
            "double precision": 0.3 + 1e-12 * latent,
            "double precision beyond float32": latent * 1e300,
        }[shape]
        made.append((f"image-{index}", score, positive))
    return made


SHAPES = [
    "normal",
    "negated softmax",
    "one minus softmax",
    "ties",
    "constant",
    "saturated",
    "neighbouring floats near 100",
    "neighbouring floats near -2e-30",
    "subnormal",
    "infinite",
    "double precision",
    "double precision beyond float32",
]


def filled(state: type[PooledHistogramState | PooledExactState], made: list[Image]) -> PooledHistogramState:
    result = state()
    for image in made:
        result.update(*image)
    return result


def stored(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Write to disk and read back, without pickle."""
    file = io.BytesIO()
    np.savez(file, **arrays)
    file.seek(0)
    with np.load(file, allow_pickle=False) as read:
        return {name: read[name] for name in read.files}


def assert_same(got: PooledRanking, wanted: PooledRanking) -> None:
    np.testing.assert_array_equal(got.value, wanted.value)
    np.testing.assert_array_equal(got.bound, wanted.bound)
    assert got[2:] == wanted[2:]


@pytest.mark.parametrize("fraction", [0.001, 0.05, 0.6])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_bound_holds(shape: str, fraction: float) -> None:
    made = images(shape, fraction)
    got = filled(PooledHistogramState, made).compute()
    exact = filled(PooledExactState, made).compute()
    assert got[2:] == exact[2:]
    assert (np.abs(np.subtract(got.value, exact.value)) <= np.array(got.bound) + 1e-12).all()
    assert not any(exact.bound)


@pytest.mark.parametrize("shape", ["ties", "constant", "negated softmax"])
def test_ties_and_negated_softmax_are_exact(shape: str) -> None:
    made = [
        (key, score.clip(-1, -0.5) if "softmax" in shape else score, truth)
        for key, score, truth in images(shape, 0.1)
    ]
    got = filled(PooledHistogramState, made).compute()
    assert not any(got.bound)
    np.testing.assert_allclose(got.value, filled(PooledExactState, made).compute().value, rtol=0, atol=1e-12)


def test_the_bound_is_small_on_ordinary_scores() -> None:
    bound = filled(PooledHistogramState, images("normal", 0.02, pixels=50_000)).compute().bound
    assert max(bound) < 1e-5


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_brackets_hold_for_any_bins(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 60))
    score = np.array(data.draw(st.lists(st.integers(0, 40), min_size=size, max_size=size)), FLOAT32)
    positive = np.array(data.draw(st.lists(st.booleans(), min_size=size, max_size=size)))
    width = data.draw(st.sampled_from([1, 2, 5, 50]))
    cut = data.draw(st.integers(0, 8))
    place = score // width
    labels = np.unique(place)[::-1]
    rows = [
        (
            np.sum(positive[place == at]),
            np.sum(~positive[place == at]),
            np.unique(score[place == at]).size == 1,
        )
        for at in labels
    ]
    pieces = [part for part in (rows[:cut], rows[cut:]) if part]
    chunks = [Bins(*(np.array(column) for column in zip(*part, strict=True))) for part in pieces]
    low, high = bracket(chunks, int(positive.sum()), int((~positive).sum()))
    ordering = order(score, positive)
    exact = (*rank(ordering), rank_success(ordering))
    np.testing.assert_array_equal(np.isnan(low), np.isnan(exact))
    assert all(a - 1e-12 <= x <= b + 1e-12 for a, x, b in zip(low, exact, high, strict=True) if x == x)


@pytest.mark.parametrize("kind", [PooledHistogramState, PooledExactState])
@pytest.mark.parametrize("shape", ["normal", "double precision", "neighbouring floats near 100"])
def test_merging_in_any_order_gives_what_one_process_gives(
    kind: type[PooledHistogramState], shape: str
) -> None:
    made = images(shape, 0.1, count=4)
    one = filled(kind, made).compute()
    for order_of_parts in ([[0, 1], [2, 3]], [[3], [1, 0], [2]], [[2, 3, 0, 1], []]):
        merged = kind()
        for part in order_of_parts:
            merged.merge(filled(kind, [made[index] for index in part]))
        assert_same(merged.compute(), one)


@pytest.mark.parametrize("kind", [PooledHistogramState, PooledExactState])
def test_an_image_may_come_once(kind: type[PooledHistogramState]) -> None:
    made = images("normal", 0.1, count=2)
    state = filled(kind, made)
    before = state.compute()
    with pytest.raises(ValueError, match="'image-1'"):
        state.update(*made[1])
    with pytest.raises(ValueError, match="'image-0'"):
        state.merge(filled(kind, [made[0], ("other", *made[1][1:])]))
    assert_same(state.compute(), before)


@pytest.mark.parametrize("kind", [PooledHistogramState, PooledExactState])
def test_a_state_from_disk_goes_on(kind: type[PooledHistogramState]) -> None:
    made = [
        *images("normal", 0.1, count=3),
        ("bild-ü", np.full(3, np.nan, FLOAT32), np.array([True, False, False])),
    ]
    assert_same(kind.from_arrays(stored(kind().to_arrays())).compute(), kind().compute())
    for count in (3, 4):
        resumed = kind.from_arrays(stored(filled(kind, made[:2]).to_arrays()))
        for image in made[2:count]:
            resumed.update(*image)
        assert_same(
            kind.from_arrays(stored(resumed.to_arrays())).compute(), filled(kind, made[:count]).compute()
        )


@pytest.mark.parametrize("kind", [PooledHistogramState, PooledExactState])
def test_a_nan_score_makes_the_result_undefined_and_names_the_image(kind: type[PooledHistogramState]) -> None:
    state = filled(kind, images("normal", 0.1, count=1))
    state.update("broken", FLOAT32([np.nan, 1]), [True, False])
    got = state.compute()
    assert np.isnan(got.value).all()
    assert np.isnan(got.bound).all()
    assert got.nan_keys == ("broken",)


@pytest.mark.parametrize("kind", [PooledHistogramState, PooledExactState])
def test_no_positive_or_no_pixel_is_undefined(kind: type[PooledHistogramState]) -> None:
    state = kind()
    assert np.isnan(state.compute().value).all()
    state.update("a", FLOAT32([0.1, 0.2]), [False, False])
    state.update("b", FLOAT32([0.1, 0.2]), [True, False], [False, False])
    got = state.compute()
    assert got.value.ap_success == 1
    assert np.isnan([got.value.auroc, got.value.ap, got.value.fpr95]).all()
    np.testing.assert_array_equal(np.isnan(got.bound), np.isnan(got.value))


def test_counts_beyond_32_bits_do_not_wrap() -> None:
    state = filled(PooledHistogramState, images("constant", 0.5, count=1))
    arrays = state.to_arrays()
    arrays["counts"] = arrays["counts"] * np.uint64(10**7)
    arrays["totals"] = arrays["totals"] * 10**7
    huge = PooledHistogramState.from_arrays(arrays)
    huge.update("later", FLOAT32([-0.3, -0.3]), [True, False])
    got = huge.compute()
    assert got.positives + got.negatives == 4 * 10**10 + 2
    assert got.value.auroc == pytest.approx(0.5, abs=1e-15)
    assert got.value.fpr95 == 1
    assert not any(got.bound)


@pytest.mark.parametrize("pooling", ["histogram", "exact"])
def test_one_evaluation_gives_both_aggregations(pooling: str) -> None:
    made = images("normal", 0.05, count=4)
    whole, first, second = (RankingState(success=True, pooling=pooling) for _ in range(3))
    for index, image in enumerate(made):
        whole.update(*image)
        (first if index % 2 else second).update(*image)
    first.merge(RankingState.from_arrays(stored(second.to_arrays())))
    got, merged = whole.compute(), first.compute()
    assert got.per_image == merged.per_image
    assert_same(got.pooled, merged.pooled)
    orderings = [order(score, positive) for _, score, positive in made]
    each = np.array([(*rank(ordering), rank_success(ordering)) for ordering in orderings])
    np.testing.assert_allclose(got.per_image.value, each.mean(axis=0), rtol=0, atol=1e-14)
    with pytest.raises(ValueError, match="image-0"):
        whole.merge(first)
