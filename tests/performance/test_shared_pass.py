"""Several methods in one run against one method, on the same trained segmenter. Run alone:

pytest -m slow -s tests/benchmarks/test_shared_pass.py

With `BENCH_PASS="--dataset streethazards --variant camvid --data DIR"` and a `BENCH_HOME` that holds its
trained segmenter, on real pictures.
"""

import os
import shlex
import subprocess
import sys
import time
from statistics import median

import pytest
from segalarm.benchmark.interfaces import Task
from segalarm.benchmark.plugins.registry import load_registry

pytestmark = pytest.mark.slow
REPEATS = 3
FITTED = ["standardized-maxlogit", "mahalanobis", "knn"]
"""They keep means, covariances or features of the training images, and train no network."""


@pytest.fixture
def seconds(tmp_path):
    """Runs methods on the test split; gives the seconds of the whole process."""
    data = shlex.split(os.environ.get("BENCH_PASS", "--dataset streethazards-mini"))
    home = os.environ.get("BENCH_HOME") if "BENCH_PASS" in os.environ else None

    def call(methods):
        words = ["run", "--method", methods, *data, "--preset", "small", "--rerun", "always"]
        places = ["--workspace", home or tmp_path / "workspace", "--records", tmp_path / "records"]
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "segalarm.cli", *words, *places], check=True, capture_output=True
        )
        return time.perf_counter() - start

    return call


def ratio(seconds, methods):
    """Time of `methods` against that of `msp` alone, the median of some pairs."""
    seconds("msp")  # trains the segmenter where there is none
    pairs = [(seconds("msp"), seconds(methods)) for _ in range(REPEATS)]
    found = median(several / one for one, several in pairs)
    print(f"\n{methods}: " + ", ".join(f"{one:.1f} s / {several:.1f} s" for one, several in pairs))
    print(f"ratio {found:.2f}")
    return found


def test_four_methods_take_at_most_1_3_times_as_long_as_one(seconds):
    assert ratio(seconds, "msp,entropy,maxlogit,energy") <= 1.3


def test_all_that_trains_nothing_takes_at_most_twice_as_long_as_one(seconds):
    """Fits without gradients are made before. But for the CRF and what asks the segmenter more than once."""
    entries = [entry for entry in load_registry() if entry.kind == "methods" and Task.ANOMALY in entry.tasks]
    alarms = {entry.name: entry.load()(entry.load().Config(), Task.ANOMALY) for entry in entries}
    free = [
        name
        for name, alarm in alarms.items()
        if alarm.fit_on() is None and not alarm.needs().monte_carlo and not alarm.needs().ensemble
    ]
    free.remove("msp-crf")
    free += FITTED
    seconds(",".join(free))
    assert ratio(seconds, ",".join(free)) <= 2
