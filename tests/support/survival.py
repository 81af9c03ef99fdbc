"""Runs `bench run` in processes of its own that can be killed; checkpoints come every 0.2 s."""

import os
import signal
import subprocess
import sys
import time

from segalarm.benchmark.storage.record import read_records

DRIVER = """
import segalarm.training as training
training.train.__kwdefaults__["checkpoint_seconds"] = 0.2
from segalarm.cli import main
main()
"""
TASKS = "pixel-failure,image-failure"
WORDS = (
    *("run", "--method", "msp,synthcp", "--dataset", "cityscapes-mini", "--task", TASKS, "--preset", "smoke"),
    *("--set", "lite0.steps=40", "--set", "lite0.pretrained=null"),
    *("--set", "synthcp.cgan.steps=40", "--set", "synthcp.comparison.steps=40"),
)


def start(workspace, *more):
    """A run in the background."""
    command = [sys.executable, "-c", DRIVER, *WORDS, "--workspace", str(workspace), *more]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        start_new_session=True,
    )


def finish(running):
    """Wait for a run that must end well; gives what it printed."""
    output, _ = running.communicate(timeout=600)
    assert running.returncode == 0, output
    return output


def kill(running):
    """Kill -9, with its workers; gives what it had printed."""
    os.killpg(running.pid, signal.SIGKILL)
    return running.communicate()[0]


def wait_for(running, workspace, pattern, seconds=300):
    """Wait until a file appears while the run goes on; false where it ended first."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if list(workspace.glob(pattern)):
            return True
        if running.poll() is not None:
            return False
        time.sleep(0.02)
    raise AssertionError(f"{pattern} does not appear")


NUMBERS = {
    *("status", "metrics", "per_class", "per_image", "images_without", "segmenter_quality", "components"),
    *("tuning", "compared", "changed", "caveats", "runs_in_pass", "traceback"),
}
"""The fields of a record that a run which was killed and went on must share with an undisturbed run."""


def results(workspace):
    """Every number that records hold, but timings."""
    found = {}
    for record in read_records(workspace / "records"):
        who = record.identity
        facts = record.model_dump(mode="json", include=NUMBERS)
        found[who.method, who.task] = facts
    return found
