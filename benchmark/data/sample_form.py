"""The form that every sample must have: types and axes of its image and ground truth."""

from __future__ import annotations

import numpy as np

from ..interfaces import DatasetInfo, Sample


def fault_of_form(sample: Sample, info: DatasetInfo) -> str | None:
    """Say what is wrong with the types and axes of a sample, or return None. Reads image and ground truth."""
    image, truth = sample.image, sample.truth
    faults = (
        (image.dtype != np.float32, f"image is {image.dtype}, not float32"),
        (image.ndim != info.ndim + 1, f"image has {image.ndim} axes, not {info.ndim + 1}"),
        (image.shape[:1] != (info.channels,), f"image has shape {image.shape}, not {info.channels} channels"),
        (truth.label.dtype != np.int64, f"label is {truth.label.dtype}, not int64"),
        (truth.valid.dtype != np.bool_, f"valid is {truth.valid.dtype}, not bool"),
        (
            not truth.label.shape == truth.valid.shape == image.shape[1:],
            "image, label and valid differ in size",
        ),
    )
    return next((f"sample {sample.key}: {text}" for faulty, text in faults if faulty), None)
