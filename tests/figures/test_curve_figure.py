"""The figure of curves that `bench show --curves` draws."""

from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib import pyplot
from PIL import Image
from segalarm.benchmark.figures.curve_figure import draw_figure
from segalarm.benchmark.figures.method_labels import method_labels
from segalarm.benchmark.interfaces import Task
from segalarm.benchmark.metrics import PooledHistogramState
from sklearn.metrics import average_precision_score, roc_auc_score


def job(method, task=Task.ANOMALY, **config):
    identity = SimpleNamespace(method=method, task=task, method_config=config)
    return SimpleNamespace(job=SimpleNamespace(identity=identity))


def test_runs_of_one_method_are_told_apart_by_what_differs():
    jobs = [job("synthcp", t=0.8, scales=[]), job("synthcp", t=0.9, scales=[]), job("msp")]
    jobs.append(job("msp", task=Task.PIXEL_FAILURE, other=1))
    labels = method_labels(jobs)
    assert [labels[id(job)] for job in jobs] == ["synthcp (t=0.8)", "synthcp (t=0.9)", "msp", "msp"]


def test_every_method_is_in_both_panels_with_its_area(tmp_path, monkeypatch):
    generator = np.random.default_rng(0)
    truth = generator.random(4000) < 0.2
    scores = {
        name: (generator.normal(size=4000) + s * truth).astype(np.float32) for name, s in (("a", 2), ("b", 0))
    }
    shown = {name: PooledHistogramState() for name in scores}
    for name, state in shown.items():
        state.update("image", scores[name], truth)
    drawn = []
    monkeypatch.setattr(pyplot, "close", drawn.append)
    file = draw_figure(shown, Task.ANOMALY, tmp_path / "set_net_anomaly_curves.png")
    assert Image.open(file).width == 1100
    left, right = drawn[0].axes
    for axis, area in ((left, average_precision_score), (right, roc_auc_score)):
        labels = [line.get_label() for line in axis.lines if not line.get_label().startswith("_")]
        assert labels == [f"{name}: {100 * area(truth, score):.1f}" for name, score in scores.items()]
    curve = right.lines[0].get_xydata()
    assert np.trapezoid(curve[:, 1], curve[:, 0]) == pytest.approx(
        roc_auc_score(truth, scores["a"]), abs=2e-3
    )
