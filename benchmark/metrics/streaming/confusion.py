"""The confusion matrix of a segmenter over a test set, and its mean IoU."""

from collections.abc import Mapping
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..overlap import class_iou, confusion_matrix
from .sample_keys import pack_keys, unpack_keys


class ConfusionState:
    """Collects the confusion matrix of each image of a test set.

    Images are told apart by their keys, and an image that is added twice counts once. Memory: L^2 integers
    an image, 2.2 MB for 1,500 images of 13 classes.

    Args:
        num_classes: L.
        void: the label of unlabelled pixels.
    """

    def __init__(self, num_classes: int, void: int) -> None:
        self.num_classes = num_classes
        self.void = void
        self._images: dict[str, NDArray[np.int64]] = {}

    def update(self, key: str, prediction: ArrayLike, label: ArrayLike) -> None:
        """Add one image; arguments as for `confusion_matrix`.

        Raises:
            ValueError: as `confusion_matrix` does, or the key was added before with other counts.
        """
        self._add({key: confusion_matrix(prediction, label, self.num_classes, self.void)})

    def merge(self, other: Self) -> None:
        """Add the images of another state; an image that is in both states counts once.

        Raises:
            ValueError: the states have different classes or void labels, or disagree on an image.
        """
        if (self.num_classes, self.void) != (other.num_classes, other.void):
            raise ValueError("states with different classes or void labels cannot be merged")
        self._add(other._images)

    def matrix(self) -> NDArray[np.int64]:
        """Return the counts of all images together, int64 (L, L), rows = true class."""
        total = np.zeros((self.num_classes, self.num_classes), np.int64)
        for counts in self._images.values():
            total += counts
        return total

    def per_class(self) -> NDArray[np.float64]:
        """Return the IoU of each class over the test set, float64 (L,); NaN without any pixel of it."""
        return class_iou(self.matrix())

    def compute(self) -> float:
        """Return the mean IoU over the classes that have an IoU; NaN where no class has one."""
        iou = self.per_class()
        return float(iou[~np.isnan(iou)].mean()) if not np.isnan(iou).all() else float("nan")

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the state as arrays that `numpy.savez` stores without pickle."""
        counts = np.array(list(self._images.values()), np.int64).reshape(
            -1, self.num_classes, self.num_classes
        )
        return {
            "keys": pack_keys(self._images),
            "counts": counts,
            "classes": np.array([self.num_classes, self.void]),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Self:
        """Restore a state from the arrays of `to_arrays`."""
        num_classes, void = (int(number) for number in np.asarray(arrays["classes"], np.int64))
        state = cls(num_classes, void)
        counts = np.asarray(arrays["counts"], np.int64)
        state._images = dict(zip(unpack_keys(arrays["keys"]), counts, strict=True))
        return state

    def _add(self, images: Mapping[str, NDArray[np.int64]]) -> None:
        for key, counts in images.items():
            if key in self._images and not np.array_equal(self._images[key], counts):
                raise ValueError(
                    f"image {key!r} was added before with other counts; give every image a key of its own"
                )
        self._images.update(images)
