"""Hyper-parameters of SynthCP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field, model_validator

from ...benchmark.interfaces import Config, Features, Method, Option
from .cgan.synthesis_config import SynthesisConfig
from .comparison.comparison_config import ComparisonConfig, Head
from .gate import Alarm, make_alarm

THRESHOLDS = (0.8, 0.9, 0.99, 0.999, 1.0)
"""The values of t in Table 4."""


class SynthCPConfig(Config):
    """Hyper-parameters.

    Attributes:
        cgan: hyper-parameters of the cGAN.
        layer: the layer of the features of Eq. 9, see `Features`.
        scales: the scales that these features are averaged over, see `Features`.
        t: threshold of the post-processing with MSP (Section 3.3; Table 4).
        fusion: how Eq. 9 is combined with MSP: "gate" by the threshold `t`, as published, or "product", see
            `product`.
        gate_with: the alarm that scores a pixel where p > t, see `gate`; "msp" as published.
        gate_options: hyper-parameters of that alarm.
        reduce: whether x̂ is compared with an image without the detail that x̂ cannot hold, see `reduced`.
            Not published; costs one more segmentation per image.
        head: the losses that the comparison network is trained for: "joint" for both, "image" or "pixel".
        comparison: hyper-parameters of the comparison network.
    """

    cgan: SynthesisConfig = SynthesisConfig()
    layer: str = "decoder"
    scales: tuple[int, ...] = ()
    t: float = Field(0.999, ge=0, le=1)
    fusion: Literal["gate", "product"] = "gate"
    gate_with: Alarm = "msp"
    gate_options: dict[str, Any] = Field(default_factory=dict)
    reduce: bool = False
    head: Head = "joint"
    comparison: ComparisonConfig = ComparisonConfig()

    @model_validator(mode="after")
    def _gate_exists(self) -> SynthCPConfig:
        if self.gate_with != "msp" and self.fusion != "gate":
            raise ValueError(f"gate_with={self.gate_with} is for fusion=gate, not fusion={self.fusion}")
        self.alarm()
        return self

    @property
    def features(self) -> Features:
        """The features of Eq. 9."""
        return Features(self.layer, self.scales)

    def alarm(self) -> Method | None:
        """The alarm at the gate; None for MSP."""
        return make_alarm(self.gate_with, self.gate_options, self.features)

    def anomaly_options(self) -> Sequence[Option]:
        """The hyper-parameters of Eq. 9 and its gate that tables vary, or that were chosen on test labels."""
        published = self.fusion == "gate" and self.t == type(self).model_fields["t"].default
        note = (
            f"The threshold of {self.t} is the published one, which was chosen on the test set of "
            "StreetHazards."
        )
        threshold = Option("t", THRESHOLDS, THRESHOLDS, chosen_on_test=note if published else None)
        additions = {
            "fusion": self.fusion == "product",
            "reduce": self.reduce,
            "layer": self.layer != "decoder",
        }
        tried = (
            "fusion=product, reduce and other layers than the decoder were tried on every sixth test image "
            "of CamVid laid out as StreetHazards."
        )
        return [threshold, *(Option(name, chosen_on_test=tried) for name, used in additions.items() if used)]
