"""Sheets of sample images, by which a person sees how the training of the conditional GAN goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image
from torch import Tensor

IMAGES_PER_ROW = 4


def write_sheet(file: Path, labels: Tensor, real: Tensor, fake: Tensor, classes: int) -> None:
    """Write a picture with a row of label maps, a row of real images and a row of synthesized images.

    Args:
        file: the picture.
        labels: int64 (B, *spatial). Of volumes, the middle slice is shown.
        real: real images, float32 (B, C, *spatial) in [-1, 1].
        fake: synthesized images, float32 (B, C, *spatial) in [-1, 1].
        classes: number of classes.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    if labels.ndim == 4:
        middle = labels.shape[1] // 2
        labels = labels[:, middle]
        real, fake = (volumes[:, :1, middle].expand(-1, 3, -1, -1) for volumes in (real, fake))
    hues = np.linspace(0, 179, classes, endpoint=False).astype(np.uint8)
    hsv = np.stack([hues, np.full_like(hues, 160), np.full_like(hues, 220)], axis=-1)
    table: npt.NDArray[np.uint8] = np.zeros((256, 3), np.uint8)
    table[:classes] = cv2.cvtColor(hsv[None], cv2.COLOR_HSV2RGB)[0]
    rows: list[Any] = [
        np.concatenate([table[label] for label in labels[:IMAGES_PER_ROW].cpu().numpy()], axis=1)
    ]
    for images in (real, fake):
        pixels = ((images[:IMAGES_PER_ROW].float() + 1) * 127.5).byte().permute(0, 2, 3, 1).cpu().numpy()
        rows.append(np.concatenate(list(pixels), axis=1))
    Image.fromarray(np.concatenate(rows)).save(file)
