"""Overlap of a predicted with a true segmentation: IoU, Dice and the confusion matrix."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

_NAN = float("nan")


def per_class_iou(
    prediction: ArrayLike,
    label: ArrayLike,
    num_classes: int,
    void: int,
    absent: Literal["paper", "official"] = "official",
) -> NDArray[np.float64]:
    """Return the IoU of each class in one image or volume, float64 (num_classes,), 0 to 1 (SynthCP, Eq. 6).

    Args:
        prediction: the predicted class of each pixel, any shape.
        label: the true class of each pixel, the same shape. Pixels that equal `void` count for neither side.
        num_classes: L; void is never a class, even where it is less than L.
        void: the label of unlabelled pixels.
        absent: the rule by which a class has no IoU (NaN). With "paper" a class has none where neither the
            prediction nor the label holds it. With "official" a class has none where the label lacks it, so
            that a class which is predicted in vain has no IoU instead of 0.

    Raises:
        ValueError: the shapes differ, a class lies outside 0..L-1, or `absent` is not one of the two.
    """
    if absent not in ("paper", "official"):
        raise ValueError(f"`absent` must be 'paper' or 'official', got {absent!r}")
    matrix = confusion_matrix(prediction, label, num_classes, void)
    iou = class_iou(matrix)
    if absent == "official":
        iou[matrix.sum(axis=1) == 0] = _NAN
    if 0 <= void < num_classes:
        iou[void] = _NAN
    return iou


def per_class_dice(
    prediction: ArrayLike, label: ArrayLike, num_classes: int, void: int
) -> NDArray[np.float64]:
    """Return the Dice of each class in one image or volume, float64 (num_classes,), fractions.

    A class that the label lacks has no Dice (NaN), whether or not the class is predicted. A class that the
    label holds and the prediction lacks has Dice 0. Arguments and errors are those of `per_class_iou`.
    """
    matrix = confusion_matrix(prediction, label, num_classes, void)
    predicted, true = matrix.sum(axis=0), matrix.sum(axis=1)
    class_dice = np.full(num_classes, _NAN)
    np.divide(2 * np.diagonal(matrix), predicted + true, out=class_dice, where=true > 0)
    if 0 <= void < num_classes:
        class_dice[void] = _NAN
    return class_dice


def per_class_quality(
    prediction: ArrayLike,
    label: ArrayLike,
    num_classes: int,
    void: int,
    absent: Literal["paper", "official"] = "official",
) -> NDArray[np.float64]:
    """Return the quality that image-level failure detection predicts: IoU in an image, Dice in a volume.

    A label of three axes is a volume; in volumes a class that the label lacks never has a Dice (SynthCP,
    Section 4.1). Arguments, result and errors are those of `per_class_iou`.
    """
    if np.ndim(label) != 3:
        return per_class_iou(prediction, label, num_classes, void, absent)
    return per_class_dice(prediction, label, num_classes, void)


def confusion_matrix(
    prediction: ArrayLike, label: ArrayLike, num_classes: int, void: int
) -> NDArray[np.int64]:
    """Count pixels by true class (row) and predicted class (column), int64 (L, L).

    Arguments are those of `per_class_iou`; pixels whose label is `void` are not counted.

    Raises:
        ValueError: the shapes differ, or a class lies outside 0..L-1.
    """
    predicted, truth = np.asarray(prediction), np.asarray(label)
    if predicted.shape != truth.shape:
        raise ValueError(f"prediction has shape {predicted.shape}, but label has shape {truth.shape}")
    scored = truth != void
    predicted, truth = predicted[scored].astype(np.int64), truth[scored].astype(np.int64)
    for name, values in (("prediction", predicted), ("label", truth)):
        if values.size and not 0 <= values.min() <= values.max() < num_classes:
            raise ValueError(
                f"{name} holds classes {values.min()}..{values.max()}, expected 0..{num_classes - 1}"
            )
    counts = np.bincount(truth * num_classes + predicted, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes).astype(np.int64)


def class_iou(matrix: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the IoU of each class from a confusion matrix.

    Args:
        matrix: int64 (L, L), as `confusion_matrix` returns.

    Returns:
        float64 (L,), fractions; NaN for a class that neither the prediction nor the label holds.
    """
    intersection = np.diagonal(matrix)
    union = matrix.sum(axis=0) + matrix.sum(axis=1) - intersection
    iou = np.full(union.shape, _NAN)
    np.divide(intersection, union, out=iou, where=union > 0)
    return iou


def dice(prediction: ArrayLike, label: ArrayLike, cls: int) -> float:
    """Return the Dice overlap of one class, a fraction; NaN where the label lacks the class.

    Args:
        prediction: the predicted class of each pixel, any shape.
        label: the true class of each pixel, the same shape.
        cls: the class.

    Raises:
        ValueError: the shapes differ.
    """
    predicted, truth = np.asarray(prediction) == cls, np.asarray(label) == cls
    if predicted.shape != truth.shape:
        raise ValueError(f"prediction has shape {predicted.shape}, but label has shape {truth.shape}")
    size = int(truth.sum())
    if not size:
        return _NAN
    return 2 * int((predicted & truth).sum()) / (int(predicted.sum()) + size)
