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
    """The most memory of a process and its children since the last call, pages that they share counted once.

    The kernel keeps each process's peak, so that none falls between two calls. The peaks of several processes
    are added as if they coincided.
    """
    waiting, total = [root], 0
    while waiting:
        process = Path(f"/proc/{waiting.pop()}")
        try:
            now = _kilobytes(process / "smaps_rollup")
            peak = _kilobytes(process / "status")["VmHWM"]
            (process / "clear_refs").write_text("5")
            children = [task.read_text() for task in process.glob("task/*/children")]
        except (OSError, KeyError):  # it has come to its end
            continue
        total += 1024 * (now["Pss"] + max(peak - now["Rss"], 0))
        waiting += [int(child) for text in children for child in text.split()]
    return total


def _kilobytes(file):
    """Name -> number of a file of /proc whose lines read `name: number kB`."""
    lines = (line.split() for line in file.read_text().splitlines())
    return {words[0][:-1]: int(words[1]) for words in lines if words[-1:] == ["kB"]}


def bench_peak(words, output):
    """Run `bench` with these words; its largest memory in bytes. What it prints goes to a file."""
    largest, seconds = watched([sys.executable, "-m", "segalarm.cli", *map(str, words)], output)
    print(f"\n{output.stem}: {largest / 2**30:.2f} GiB, {seconds:.0f} s")
    return largest
