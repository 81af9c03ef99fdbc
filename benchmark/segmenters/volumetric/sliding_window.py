"""MONAI's inference by a window that slides over a volume."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...interfaces.errors import ExtraMissingError


def sliding_window(feature: str) -> Callable[..., Any]:
    """Import `monai.inferers.sliding_window_inference`.

    Args:
        feature: What the window is used for, for the message.

    Raises:
        ExtraMissingError: MONAI is not installed.
    """
    try:
        from monai.inferers import sliding_window_inference
    except ImportError as error:
        raise ExtraMissingError(feature, "medical", "monai") from error
    inference: Callable[..., Any] = sliding_window_inference
    return inference
