"""The metrics equal those recorded from the authors' implementation."""

import os
from pathlib import Path

import numpy as np
import pytest
from segalarm.benchmark.metrics import failure_metrics, quality_metrics, ranking_metrics

FOLDER = Path(
    os.environ.get("BENCH_REFERENCE") or Path(__file__).resolve().parents[3] / "shared" / "reference"
)
VECTORS = FOLDER / "metric_vectors.npz"

pytestmark = pytest.mark.skipif(
    not VECTORS.is_file(), reason=f"no reference vectors at {VECTORS}; set BENCH_REFERENCE to their folder"
)


@pytest.fixture(scope="module")
def vectors() -> dict[str, np.ndarray]:
    with np.load(VECTORS) as stored:
        return {name: stored[name] for name in stored.files}


@pytest.mark.parametrize("case", range(12))
def test_ranking_of_one_image(vectors: dict[str, np.ndarray], case: int) -> None:
    got = ranking_metrics(vectors[f"score_{case}"], vectors[f"positive_{case}"])
    np.testing.assert_allclose(got, vectors[f"expected_{case}"], rtol=0, atol=1e-12)


def test_failure_detection(vectors: dict[str, np.ndarray]) -> None:
    maps = (vectors[f"failure_{name}"] for name in ("confidence", "prediction", "label"))
    got = failure_metrics(*maps, void=19)
    np.testing.assert_allclose(got, vectors["failure_expected"], rtol=0, atol=1e-12)


def test_quality(vectors: dict[str, np.ndarray]) -> None:
    got = quality_metrics(vectors["quality_predicted"], vectors["quality_actual"])
    np.testing.assert_allclose(got, vectors["quality_expected"], rtol=0, atol=1e-12)
