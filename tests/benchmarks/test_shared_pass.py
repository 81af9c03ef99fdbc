"""Four methods in one run against one method, on the same trained segmenter. Run alone:

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

pytestmark = pytest.mark.slow
REPEATS = 3


def test_four_methods_take_at_most_1_3_times_as_long_as_one(tmp_path):
    data = shlex.split(os.environ.get("BENCH_PASS", "--dataset streethazards-mini"))
    home = os.environ.get("BENCH_HOME") if "BENCH_PASS" in os.environ else None

    def seconds(methods):
        words = ["run", "--method", methods, *data, "--preset", "small", "--rerun", "always"]
        places = ["--workspace", home or tmp_path / "workspace", "--records", tmp_path / "records"]
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "segalarm.cli", *words, *places], check=True, capture_output=True
        )
        return time.perf_counter() - start

    seconds("msp")  # trains the segmenter where there is none
    pairs = [(seconds("msp"), seconds("msp,entropy,maxlogit,energy")) for _ in range(REPEATS)]
    ratio = median(four / one for one, four in pairs)
    print(f"\n{' '.join(data)}: " + ", ".join(f"{one:.1f} s / {four:.1f} s" for one, four in pairs))
    print(f"ratio {ratio:.2f}")
    assert ratio <= 1.3
