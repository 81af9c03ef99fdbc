"""IoU, Dice and the confusion matrix on small maps worked by hand, and against scikit-learn."""

import numpy as np
import pytest
from segalarm.benchmark.metrics import ConfusionState, dice, per_class_dice, per_class_iou, per_class_quality
from sklearn.metrics import f1_score, jaccard_score

VOID = 255
LABEL = np.array([[0, 0, 1], [1, VOID, VOID]])
PREDICTION = np.array([[0, 1, 1], [2, 2, 3]])


def test_iou_by_hand_under_both_rules() -> None:
    # Class 2 is predicted in vain; class 3 only under void; class 4 nowhere.
    np.testing.assert_allclose(
        per_class_iou(PREDICTION, LABEL, 5, VOID, "paper"), [1 / 2, 1 / 3, 0, np.nan, np.nan]
    )
    np.testing.assert_allclose(
        per_class_iou(PREDICTION, LABEL, 5, VOID, "official"), [1 / 2, 1 / 3, np.nan, np.nan, np.nan]
    )


def test_the_quality_of_an_image_is_iou_and_of_a_volume_dice() -> None:
    rng = np.random.default_rng(1)
    label, prediction = rng.integers(0, 3, (2, 4, 5, 6))
    expected = [dice(prediction, label, number) for number in range(3)]
    np.testing.assert_allclose(per_class_quality(prediction, label, 3, VOID), expected)
    np.testing.assert_array_equal(
        per_class_quality(prediction[0], label[0], 3, VOID), per_class_iou(prediction[0], label[0], 3, VOID)
    )
    # Absent from the label: none; missed: 0.
    label[label == 2] = 0
    prediction[prediction == 1] = 0
    assert per_class_quality(prediction, label, 3, VOID)[1] == 0
    assert np.isnan(per_class_quality(prediction, label, 3, VOID)[2])


def test_void_within_the_class_range_is_no_class() -> None:
    assert np.isnan(per_class_iou([0, 2, 2], [0, 0, 2], 3, void=2, absent="paper")[2])


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="prediction holds classes"):
        per_class_iou([0, 7], [0, 1], 5, VOID)
    with pytest.raises(ValueError, match="shape"):
        per_class_iou([0], [0, 1], 5, VOID)
    with pytest.raises(ValueError, match="absent"):
        per_class_iou([0], [0], 5, VOID, "neither")  # type: ignore[arg-type]


def test_confusion_over_a_set_matches_scikit_learn_and_counts_duplicates_once() -> None:
    rng = np.random.default_rng(0)
    label, prediction = rng.integers(0, 4, (2, 3, 10, 10))
    states = [ConfusionState(5, VOID) for _ in range(2)]
    for index, pair in enumerate(zip(prediction, label, strict=True)):
        states[index % 2].update(f"{index}", *pair)
    states[1].update("0", prediction[0], label[0])
    states[0].merge(ConfusionState.from_arrays(states[1].to_arrays()))
    expected = jaccard_score(label.ravel(), prediction.ravel(), average=None)
    np.testing.assert_allclose(states[0].per_class(), [*expected, np.nan])
    assert states[0].compute() == pytest.approx(expected.mean())
    with pytest.raises(ValueError, match="'0'"):
        states[0].update("0", prediction[1], label[0])


def test_an_empty_set_has_no_miou() -> None:
    assert np.isnan(ConfusionState(3, VOID).compute())
    assert ConfusionState.from_arrays(ConfusionState(3, VOID).to_arrays()).matrix().sum() == 0


def test_dice() -> None:
    assert dice(PREDICTION, LABEL, 1) == 2 * 1 / (2 + 2)
    assert dice(PREDICTION, LABEL, 0) == 2 * 1 / (1 + 2)
    assert np.isnan(dice(PREDICTION, LABEL, 2))


def test_dice_of_every_class_leaves_out_what_the_label_lacks() -> None:
    # Class 2 is predicted in vain, class 3 only under void, class 4 nowhere.
    np.testing.assert_allclose(
        per_class_dice(PREDICTION, LABEL, 5, VOID), [2 / 3, 2 / 4, np.nan, np.nan, np.nan]
    )
    assert per_class_dice([0, 0, 0], [0, 1, 1], 2, VOID)[1] == 0
    rng = np.random.default_rng(1)
    label, prediction = rng.integers(0, 4, (2, 5, 6, 7))
    expected = f1_score(label.ravel(), prediction.ravel(), average=None)
    np.testing.assert_allclose(per_class_dice(prediction, label, 4, VOID), expected)
    for cls in range(4):
        assert dice(prediction, label, cls) == pytest.approx(expected[cls])
