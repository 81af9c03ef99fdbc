"""Scores and ground truth through the evaluators, from samples to the numbers of a record."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from scipy.stats import pearsonr
from segalarm.benchmark.evaluation.by_task import make_evaluator
from segalarm.benchmark.interfaces import VOID, Protocol, Sample, Scores, Task, Truth
from segalarm.benchmark.interfaces.errors import BenchError
from segalarm.datasets.cityscapes import Cityscapes
from segalarm.datasets.formats.decathlon import HIPPOCAMPUS, PANCREAS
from segalarm.tests.support.reference import FOLDER

VECTORS = FOLDER / "metric_vectors.npz"
needs_vectors = pytest.mark.skipif(not VECTORS.is_file(), reason=f"no reference vectors at {VECTORS}")
THREE = replace(Cityscapes.info, classes=("a", "b", "c"))


def sample(key, label):
    truth = Truth(np.asarray(label, np.int64), None, np.ones(np.shape(label), bool))
    return Sample(str(key), lambda: np.zeros((3, *truth.label.shape), np.float32), lambda: truth)


def evaluate(task, info, triples, protocol=Protocol.OFFICIAL):
    evaluator = make_evaluator(task, info, protocol)
    for key, (label, prediction, scores) in enumerate(triples):
        evaluator.update(sample(key, label), np.asarray(prediction, np.int64), scores)
    return evaluator.result()


@needs_vectors
def test_the_recorded_pixel_failures():
    recorded = np.load(VECTORS)
    label = np.where(recorded["failure_label"] == 19, VOID, recorded["failure_label"])
    scores = [Scores(pixel=-confidence) for confidence in recorded["failure_confidence"]]
    triples = zip(label, recorded["failure_prediction"], scores, strict=True)
    found = evaluate(Task.PIXEL_FAILURE, Cityscapes.info, triples)
    *pooled, fpr95 = recorded["failure_expected"]
    for name, expected in zip(("AP-Error", "AP-Success", "AUROC"), pooled, strict=True):
        assert found.error_bounds[name] < 1e-4
        assert abs(found.metrics["pooled"][name] - expected) <= found.error_bounds[name] + 1e-12
    assert found.metrics["per-image"]["FPR95"] == pytest.approx(fpr95, abs=1e-12)


def maps_of(iou):
    """A label and a prediction of 20 classes with these IoUs of the first 19, to 1e-8; NaN: not in the label.

    What is missed of a class is predicted as the twentieth, which no label holds.
    """
    parts = []
    for number, value in enumerate(iou):
        if not np.isnan(value):
            overlap = Fraction(value).limit_denominator(8000)
            hit, miss = overlap.numerator, overlap.denominator - overlap.numerator
            parts += [(number, number)] * hit + [(number, 19)] * miss
    return np.array(parts, np.int64).T[:, None]


@needs_vectors
def test_the_recorded_qualities():
    recorded = np.load(VECTORS)
    triples = []
    for predicted, actual in zip(recorded["quality_predicted"], recorded["quality_actual"], strict=True):
        label, prediction = maps_of(actual)
        triples.append((label, prediction, Scores(quality=np.append(np.nan_to_num(predicted), 0.0))))
    info = replace(Cityscapes.info, classes=(*Cityscapes.info.classes, "missed"))
    found = evaluate(Task.IMAGE_FAILURE, info, triples).metrics["per-class"]
    values = [found[name] for name in ("MAE", "STD", "Pearson", "Spearman")]
    np.testing.assert_allclose(values, recorded["quality_expected"], atol=1e-6)


def test_risks_and_calibration_of_pixels():
    label, prediction = [[0, 0, 1, VOID]], [[0, 1, 1, 1]]
    confidence = np.array([[0.9, 0.6, 0.8, 0.1]], np.float32)
    found = evaluate(
        Task.PIXEL_FAILURE, THREE, [(label, prediction, Scores(pixel=-confidence, confidence=confidence))]
    )
    # Accepted in the order right, right, wrong: selective risks 0, 0, 1/3.
    assert found.metrics["pooled"]["AURC"] == pytest.approx(1 / 9, abs=1e-6)
    assert found.metrics["per-image"]["AURC"] == pytest.approx(1 / 9)
    assert found.metrics["per-image"]["E-AURC"] == pytest.approx(0)
    assert found.metrics["per-image"]["AUGRC"] == pytest.approx(1 / 18)
    assert found.per_image["0"]["AURC"] == pytest.approx(1 / 9)
    assert found.metrics["pooled"]["ECE"] == pytest.approx((0.1 + 0.6 + 0.2) / 3, abs=1e-6)


def test_a_method_without_a_probability_has_no_calibration_error():
    scores = Scores(pixel=np.array([[0.0, 5.0]], np.float32))
    found = evaluate(Task.PIXEL_FAILURE, THREE, [([[0, 0]], [[0, 1]], scores)])
    assert np.isnan(found.metrics["pooled"]["ECE"])
    assert found.metrics["pooled"]["AURC"] == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("confidence", "named"),
    [([[1.5, 0.2]], r"'0'.*outside \[0, 1\]"), ([[0.5]], r"'0'.*shape \(1, 1\), the label \(1, 2\)")],
)
def test_a_confidence_that_is_no_probability_is_named(confidence, named):
    scores = Scores(pixel=np.zeros((1, 2), np.float32), confidence=np.array(confidence, np.float32))
    with pytest.raises(BenchError, match=named):
        evaluate(Task.PIXEL_FAILURE, THREE, [([[0, 0]], [[0, 1]], scores)])


def test_a_class_that_no_test_image_holds_has_no_numbers_and_no_say():
    triples = [
        ([[0, 0, 1, 1]], [[0, 0, 1, 0]], Scores(quality=np.array([0.5, 0.5, 0.9]))),
        ([[0, 0, 0, 1]], [[0, 1, 1, 1]], Scores(quality=np.array([0.3, 0.4, 0.1]))),
    ]
    found = evaluate(Task.IMAGE_FAILURE, THREE, triples)
    assert np.isnan([found.per_class[name]["c"] for name in found.per_class]).all()
    # IoU of a: 2/3, 1/3; of b: 1/2, 1/3.
    expected = np.mean([[2 / 3 - 0.5, 1 / 3 - 0.3], [0, 0.4 - 1 / 3]])
    assert found.metrics["per-class"]["MAE"] == pytest.approx(expected)
    assert found.counts == {"images": 2, "classes_scored": 2}


def test_a_constant_prediction_has_an_error_and_no_correlation():
    triples = [
        ([[0, 0, 0, 0]], [[0] * n + [1] * (4 - n)], Scores(quality=np.array([0.5, 0.5, 0.5])))
        for n in (1, 2, 3)
    ]
    found = evaluate(Task.IMAGE_FAILURE, THREE, triples).metrics["per-class"]
    assert found["MAE"] == pytest.approx((0.25 + 0 + 0.25) / 3)
    assert np.isnan([found["Pearson"], found["Spearman"]]).all()


def test_the_protocols_disagree_on_a_class_that_is_predicted_in_vain():
    triple = ([[0, 0, 0, 0]], [[0, 0, 2, 2]], Scores(quality=np.array([0.5, 0.5, 0.5])))
    official, paper = (evaluate(Task.IMAGE_FAILURE, THREE, [triple], protocol) for protocol in Protocol)
    assert np.isnan(official.per_class["MAE"]["c"])
    assert paper.per_class["MAE"]["c"] == pytest.approx(0.5)


def test_anomalies_are_scored_as_components_too_at_a_threshold_that_the_record_names():
    anomaly = np.zeros((20, 30), bool)
    anomaly[5:10, 5:15] = True
    truth = Truth(np.where(anomaly, VOID, 0), anomaly, np.ones_like(anomaly))
    score = np.where(anomaly, 2.0, 0.0).astype(np.float32)
    score[5:10, 15:20] = 1.0  # half as many false alarms, in the same component
    evaluator = make_evaluator(Task.ANOMALY, THREE, Protocol.OFFICIAL)
    for key in "ab":
        made = Sample(key, lambda: np.zeros((3, 20, 30), np.float32), lambda: truth)
        evaluator.update(made, truth.label, Scores(pixel=score))
    found = evaluator.result()
    assert found.metrics["per-component"] == {"sIoU": 1, "PPV": 1, "F1": 1}
    assert found.metrics["pooled"]["AUPR"] == pytest.approx(1)
    assert (found.counts["components"], found.counts["predicted_components"]) == (2, 2)
    assert found.components is not None
    assert (found.components.threshold, found.components.pixel_F1) == (2, 1)


def test_anomalies_that_are_not_valid_are_named():
    anomaly = np.array([[True, False]])
    truth = Truth(np.array([[VOID, 0]]), anomaly, ~anomaly)
    evaluator = make_evaluator(Task.ANOMALY, THREE, Protocol.OFFICIAL)
    made = Sample("a", lambda: np.zeros((3, 1, 2), np.float32), lambda: truth)
    evaluator.update(made, truth.label, Scores(pixel=np.array([[1.0, 0.0]], np.float32)))
    with pytest.raises(BenchError, match="1 anomalous pixels are not `valid`: unknown objects must"):
        evaluator.result()


@pytest.mark.parametrize("task", [Task.ANOMALY, Task.PIXEL_FAILURE])
def test_scores_that_are_all_equal_are_refused(task):
    anomaly = np.zeros((20, 30), bool)
    anomaly[5:10, 5:15] = True
    truth = Truth(np.where(anomaly, 1, 0), anomaly, np.ones_like(anomaly))
    evaluator = make_evaluator(task, THREE, Protocol.OFFICIAL)
    for key in "ab":
        made = Sample(key, lambda: np.zeros((3, 20, 30), np.float32), lambda: truth)
        evaluator.update(made, np.zeros((20, 30), np.int64), Scores(pixel=np.full((20, 30), 0.5, np.float32)))
    with pytest.raises(BenchError, match=r"all scores of all images are 0\.5.*nothing is ranked"):
        evaluator.result()


def test_a_full_disk_is_named(tmp_path):
    anomaly = np.array([[True, False]])
    truth = Truth(np.zeros((1, 2), np.int64), anomaly, np.ones_like(anomaly))
    made = Sample("a", lambda: np.zeros((3, 1, 2), np.float32), lambda: truth)
    evaluator = make_evaluator(Task.ANOMALY, THREE, Protocol.OFFICIAL, tmp_path / "gone")
    evaluator.update(made, truth.label, Scores(pixel=np.array([[1.0, 0.0]], np.float32)))
    with pytest.raises(BenchError, match=r"cannot be kept in .*gone.*--workspace"):
        evaluator.result()


def volume(organ, tumour):
    """A volume (2, 2, 10) whose first voxels are of the organ and whose next are of the tumour."""
    label = np.zeros(40, np.int64)
    label[:organ], label[organ : organ + tumour] = 1, 2
    return label.reshape(2, 2, 10)


def test_volumes_are_judged_by_the_dice_of_what_the_data_set_scores():
    found = evaluate(
        Task.IMAGE_FAILURE,
        PANCREAS.info,
        [
            (volume(10, 10), volume(10, 10), Scores(quality=np.array([0.9, 0.1, 0.8]))),  # tumour 1
            (volume(10, 10), volume(20, 0), Scores(quality=np.array([0.9, 0.2, 0.1]))),  # 0: not predicted
            (volume(10, 10), volume(15, 5), Scores(quality=np.array([0.9, 0.3, 0.6]))),  # 2 x 5 / 15
            (volume(10, 0), volume(10, 5), Scores(quality=np.array([0.9, 0.4, 0.7]))),  # none: no tumour
            (volume(10, 0), volume(10, 0), Scores(quality=np.array([0.9, 0.5, 0.2]))),
        ],
    )
    predicted, actual = np.array([0.8, 0.1, 0.6]), np.array([1, 0, 2 / 3])
    error = np.abs(predicted - actual)
    expected = {
        "MAE": error.mean(),
        "STD": error.std(),
        "Pearson": pearsonr(predicted, actual).statistic,
        "Spearman": 1.0,
        # Accepted in the order 0.8, 0.6, 0.1: lost 0, 1/3, 1.
        "AURC": (0 + 1 / 6 + 4 / 9) / 3,
    }
    assert found.metrics["per-class"] == pytest.approx(expected)
    assert found.counts == {"images": 5, "classes_scored": 1}
    assert found.images_without == {"pancreas": 0, "tumour": 2}
    assert set(found.per_class["MAE"]) == {"pancreas", "tumour"}
    # The pancreas is predicted and reported, and does not count.
    dice = np.array([1, 2 * 10 / 30, 2 * 10 / 25, 1, 1])
    assert found.per_class["MAE"]["pancreas"] == pytest.approx(
        np.mean(np.abs(dice - [0.1, 0.2, 0.3, 0.4, 0.5]))
    )
    assert np.isnan(found.per_image["3"]["actual tumour"])
    assert "actual background" not in found.per_image["0"]


def test_every_structure_of_a_task_has_numbers_and_the_scored_one_the_headline():
    triples = [
        (volume(10, 10), volume(10, n), Scores(quality=np.array([1, 0.5, n / 10]))) for n in (3, 6, 10)
    ]
    found = evaluate(Task.IMAGE_FAILURE, HIPPOCAMPUS.info, triples)
    assert set(found.per_class["Pearson"]) == {"anterior", "posterior"}
    for name, value in found.metrics["per-class"].items():
        assert value == found.per_class[name]["posterior"]
    assert np.isnan(found.per_class["Pearson"]["anterior"])
    assert found.per_class["Spearman"]["posterior"] == pytest.approx(1)


def test_volumes_without_the_structure_leave_nothing_to_judge():
    triples = [(volume(10, 0), volume(10, 3), Scores(quality=np.array([1, 1, 0.5])))] * 2
    found = evaluate(Task.IMAGE_FAILURE, PANCREAS.info, triples)
    assert np.isnan(list(found.metrics["per-class"].values())).all()
    assert found.images_without["tumour"] == 2
    assert found.counts["classes_scored"] == 0


def test_voxels_are_judged_as_pixels_are():
    label, prediction = volume(10, 10), volume(15, 5)
    scores = Scores(pixel=np.where(label != prediction, 1.0, 0.0).astype(np.float32))
    found = evaluate(Task.PIXEL_FAILURE, PANCREAS.info, [(label, prediction, scores)])
    assert found.metrics["pooled"]["AUROC"] == pytest.approx(1, abs=1e-4)
