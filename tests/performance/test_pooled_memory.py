"""Memory, time and error bound of pooling 1,500 generated images of 720 x 1280.

pytest -m slow -s tests/benchmarks/test_pooled_memory.py
"""

import resource
import subprocess
import sys
import time

import numpy as np
import pytest
from segalarm.benchmark.metrics import PooledHistogramState

pytestmark = pytest.mark.slow
SHAPE = (720, 1280)
IMAGES = 1500


def peak_mib() -> float:
    """Return the peak resident memory of this process (bytes on macOS, KiB on Linux)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def pool(like: str) -> None:
    """Pool the images, print what it took, and fail where a limit is passed."""
    rng = np.random.default_rng(0)
    before, spent = peak_mib(), 0.0
    state = PooledHistogramState()
    for index in range(IMAGES):
        positive = np.zeros(SHAPE, bool)
        row, column = rng.integers(600), rng.integers(1180)
        positive[row : row + 96, column : column + 96] = True
        score = rng.standard_normal(SHAPE, dtype=np.float32) + positive
        if like == "negated softmax":
            score = -1 / (1 + np.exp(-np.abs(5 * score - 10)))
        start = time.perf_counter()
        state.update(f"{index}", score.astype(np.float32), positive)
        spent += time.perf_counter() - start
    start = time.perf_counter()
    result = state.compute()
    compute, mib = time.perf_counter() - start, peak_mib() - before
    print(
        f"{like}: peak {mib:.0f} MiB above the start, "
        f"{1e3 * spent / IMAGES:.1f} ms an update (with its sort), {compute:.1f} s to compute\n"
        f"  value {result.value}\n  bound {result.bound}"
    )
    assert result.images == IMAGES
    assert mib < 1024
    assert max(result.bound) < 1e-4


@pytest.mark.parametrize("like", ["normal", "negated softmax"])
def test_a_whole_test_set_fits(like: str) -> None:
    # A process of its own: the peak of this one may come from another test.
    done = subprocess.run([sys.executable, __file__, like], capture_output=True, text=True, check=False)
    print(f"\n{done.stdout}")
    assert done.returncode == 0, done.stderr


if __name__ == "__main__":
    pool(sys.argv[1])
