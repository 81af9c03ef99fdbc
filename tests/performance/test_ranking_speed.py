"""Speed of the ranking metrics on one StreetHazards-sized image.

Run with one thread, on one core where `taskset` exists:

    OMP_NUM_THREADS=1 taskset -c 0 pytest -m slow -s tests/benchmarks/test_ranking_speed.py
"""

import time
from collections.abc import Callable
from statistics import median

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from segalarm.benchmark.metrics import PooledHistogramState, ranking_metrics
from segalarm.benchmark.metrics.ordering import order
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve
from threadpoolctl import threadpool_limits

pytestmark = pytest.mark.slow
SHAPE = (720, 1280)
LIKE = ["uniform", "normal", "negated softmax"]


def image(like: str, fraction: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    positive = rng.random(SHAPE) < fraction
    latent = rng.standard_normal(SHAPE, dtype=np.float32) + positive
    score = {
        "uniform": rng.random(SHAPE, dtype=np.float32),
        "normal": latent,
        "negated softmax": -1 / (1 + np.exp(-np.abs(5 * latent))),
    }[like]
    return score.astype(np.float32), positive


def interleaved(functions: list[Callable[[], object]], rounds: int) -> list[float]:
    """Return the median seconds of each; alternating them exposes all to the same noise."""
    seconds: list[list[float]] = [[] for _ in functions]
    for _ in range(rounds + 1):
        for function, taken in zip(functions, seconds, strict=True):
            start = time.perf_counter()
            function()
            taken.append(time.perf_counter() - start)
    return [median(taken[1:]) for taken in seconds]


def scikit_learn(score: np.ndarray, positive: np.ndarray) -> None:
    flat_score, flat_positive = score.ravel(), positive.ravel()
    roc_auc_score(flat_positive, flat_score)
    average_precision_score(flat_positive, flat_score)
    roc_curve(flat_positive, flat_score)


@pytest.mark.parametrize(("fraction", "least_against_sklearn"), [(0.01, 12), (0.3, 5)])
@pytest.mark.parametrize("like", LIKE)
def test_ratios(like: str, fraction: float, least_against_sklearn: float) -> None:
    score, positive = image(like, fraction)
    with threadpool_limits(1):
        ours, sort = interleaved(
            [lambda: ranking_metrics(score, positive), lambda: np.sort(score, axis=None)], 15
        )
        ours_again, sklearn = interleaved(
            [lambda: ranking_metrics(score, positive), lambda: scikit_learn(score, positive)], 3
        )
    print(
        f"\n{like}, {fraction:.0%} positive: {ours * 1e3:.2f} ms; "
        f"np.sort {sort * 1e3:.2f} ms, ratio {ours / sort:.2f}; "
        f"scikit-learn {sklearn * 1e3:.0f} ms, {sklearn / ours_again:.0f} times as fast"
    )
    assert sklearn / ours_again >= least_against_sklearn
    if fraction == 0.01:
        assert ours / sort <= 2.5


@pytest.mark.benchmark(group="ranking, 720 x 1280")
@pytest.mark.parametrize("fraction", [0.01, 0.3])
@pytest.mark.parametrize("like", LIKE)
def test_ranking_metrics(benchmark: BenchmarkFixture, like: str, fraction: float) -> None:
    benchmark(ranking_metrics, *image(like, fraction))


@pytest.mark.benchmark(group="pooled histogram: add one ordered image, 720 x 1280")
@pytest.mark.parametrize("like", LIKE)
def test_pooled_histogram(benchmark: BenchmarkFixture, like: str) -> None:
    state, ordering = PooledHistogramState(), order(*image(like, 0.01))
    keys = (str(index) for index in range(10**9))
    benchmark(lambda: state.add(next(keys), ordering))
