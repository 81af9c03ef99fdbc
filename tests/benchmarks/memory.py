"""Host memory of a command with all its processes, for the benchmarks beside it."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

needs_proc = pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="reads Linux' /proc")


def watched(command, output):
    """Run a command, its text into a file; the largest memory in bytes, and the seconds."""
    began = time.monotonic()
    with output.open("w") as stream:
        running = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT)
        largest = 0
        while running.poll() is None:
            largest = max(largest, tree_bytes(running.pid))
            time.sleep(0.2)
    assert running.returncode == 0, output.read_text()[-3000:]
    return largest, time.monotonic() - began


def tree_bytes(root):
    """Memory of a process and its children, pages that they share counted once."""
    waiting, total = [root], 0
    while waiting:
        process = waiting.pop()
        try:
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
            children = [task.read_text() for task in Path(f"/proc/{process}/task").glob("*/children")]
        except OSError:  # it has come to its end
            continue
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
        waiting += [int(child) for text in children for child in text.split()]
    return total


def bench_peak(words, output):
    """Run `bench` with these words; its largest memory in bytes. What it prints goes to a file."""
    largest, seconds = watched([sys.executable, "-m", "segalarm.cli", *map(str, words)], output)
    print(f"\n{output.stem}: {largest / 2**30:.2f} GiB, {seconds:.0f} s")
    return largest
