"""The catalogue of metrics, and that evaluators compute all of it and know nothing of one another."""

import numpy as np
import pytest
from segalarm.benchmark.evaluation import anomaly
from segalarm.benchmark.evaluation.by_task import EVALUATORS, make_evaluator
from segalarm.benchmark.evaluation.metric_catalogue import (
    ANOMALY_METRICS,
    METRICS,
    Metric,
    metric,
    metrics_of,
)
from segalarm.benchmark.interfaces import VOID, Protocol, Sample, Scores, Task, Truth
from segalarm.benchmark.storage.code_hash import definition_of, reached
from segalarm.datasets.cityscapes import Cityscapes

IMAGE = np.zeros((3, 20, 30), np.float32)


def evaluation_of(task):
    """Two images of all classes, with random predictions and scores."""
    rng = np.random.default_rng(0)
    classes = len(Cityscapes.info.classes)
    evaluator = make_evaluator(task, Cityscapes.info, Protocol.OFFICIAL)
    for key in "ab":
        label, prediction = rng.integers(0, classes, (2, 20, 30))
        unknown = np.zeros((20, 30), bool)
        unknown[5:15, 5:15] = True
        label[unknown] = VOID
        truth = Truth(label, unknown, np.ones((20, 30), bool))
        noise = rng.random((20, 30)).astype(np.float32)
        scores = Scores(pixel=noise + unknown, confidence=noise, quality=rng.random(classes))
        evaluator.update(Sample(key, lambda: IMAGE, lambda truth=truth: truth), prediction, scores)
    return evaluator.result()


@pytest.mark.parametrize("task", Task)
def test_every_metric_of_the_catalogue_is_evaluated_in_all_its_aggregations(task):
    evaluation = evaluation_of(task)
    catalogue = {(how, entry.name) for entry in metrics_of(task) for how in entry.aggregations}
    evaluated = {(how, name) for how, values in evaluation.metrics.items() for name in values}
    assert evaluated == catalogue
    assert np.isfinite([value for values in evaluation.metrics.values() for value in values.values()]).all()


def test_a_ranking_field_that_only_another_task_uses_has_a_value_too(monkeypatch):
    normal = Metric("AUPR-Normal", True, (Task.ANOMALY,), ("per-image", "pooled"), "ap_success", "a test")
    monkeypatch.setattr(anomaly, "ANOMALY_METRICS", (*ANOMALY_METRICS, normal))
    evaluation = evaluation_of(Task.ANOMALY)
    assert 0 < evaluation.metrics["per-image"]["AUPR-Normal"] <= 1
    assert 0 < evaluation.metrics["pooled"]["AUPR-Normal"] <= 1


def test_the_aggregation_that_tables_print_is_one_that_is_computed():
    assert all(entry.printed in entry.aggregations for entry in METRICS)
    assert metric(Task.ANOMALY, "AUROC").printed == "per-image"
    assert metric(Task.PIXEL_FAILURE, "AUROC").printed == "pooled"
    assert metric(Task.PIXEL_FAILURE, "AURC").printed == "pooled"


def test_names_are_unique_within_a_task():
    for task in Task:
        names = [entry.name for entry in metrics_of(task)]
        assert len(set(names)) == len(names) > 0


def test_an_unknown_metric_is_named_with_those_that_exist():
    with pytest.raises(KeyError, match=r"anomaly has no metric 'MAE'.*FPR95, AUROC, AUPR"):
        metric(Task.ANOMALY, "MAE")


@pytest.mark.parametrize("task", Task)
def test_an_edit_of_one_task_leaves_the_code_of_the_others_as_it_was(task):
    """A hash of an evaluator's code covers neither another evaluator nor the metrics of another task."""
    evaluator = EVALUATORS[task]
    names = {found.name for found in reached(definition_of(evaluator))}
    others = {other.__name__ for other in EVALUATORS.values()} - {evaluator.__name__}
    own = {"anomaly": "ANOMALY", "pixel-failure": "PIXEL_FAILURE", "image-failure": "IMAGE_FAILURE"}[task]
    catalogues = {"ANOMALY_METRICS", "PIXEL_FAILURE_METRICS", "IMAGE_FAILURE_METRICS", "METRICS"}
    assert names & catalogues == {f"{own}_METRICS"}
    assert not names & others
    assert "" not in names  # no module as a whole
