"""SynthCP: synthesize an image from the predicted segmentation, then compare it with the real one.

Xia, Zhang, Liu, Shen and Yuille, "Synthesize then compare", ECCV 2020. Anomalies by Eq. 9, failures by the
comparison network of Eq. 5 to 8.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field, model_validator
from torch import Tensor

from ...benchmark.interfaces import (
    Config,
    Context,
    DatasetInfo,
    Features,
    FitOn,
    Item,
    Method,
    Needs,
    Option,
    Pairs,
    Preset,
    Protocol,
    Scores,
    Task,
)
from ..building_blocks.feature_alarm import published_scales
from . import comparison, synthesis
from .anomaly import cosine_distance, enlarged, gated, product, reduced
from .comparison import ComparisonConfig, ComparisonNetwork, Head, Images
from .gate import Alarm, make_alarm, squeezed
from .synthesis import SynthesisConfig, Synthesizer, cgan

THRESHOLDS = (0.8, 0.9, 0.99, 0.999, 1.0)
"""The values of t in Table 4."""


class SynthCPConfig(Config):
    """Hyper-parameters.

    Attributes:
        cgan: of the synthesis.
        layer, scales: the features of Eq. 9, see `Features`.
        t: threshold of the post-processing with MSP (Section 3.3; Table 4).
        fusion: how MSP joins Eq. 9: "gate" as published, with `t`, or "product" (`anomaly.product`).
        gate_with: the alarm that the gate lets speak where p > t, see `gate.squeezed`; "msp" as published.
        gate_options: hyper-parameters of that alarm.
        reduce: compare x̂ with an image that holds no more detail than x̂ (`anomaly.reduced`). Not published;
            costs one more segmentation of an image.
        head: what the comparison network is trained for: "joint", or "image" or "pixel" alone.
        comparison: of the comparison network.
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
    def _has_a_gate(self) -> SynthCPConfig:
        if self.gate_with != "msp" and self.fusion != "gate":
            raise ValueError(f"gate_with={self.gate_with} is for fusion=gate, not fusion={self.fusion}")
        self.alarm()
        return self

    @property
    def features(self) -> Features:
        """Those of Eq. 9."""
        return Features(self.layer, self.scales)

    def alarm(self) -> Method | None:
        """The alarm behind the gate; None for MSP."""
        return make_alarm(self.gate_with, self.gate_options, self.features)


class SynthCP(Method):
    """One method for all three tasks; the cGAN is shared by all of them."""

    Config = SynthCPConfig
    config: SynthCPConfig

    def __init__(self, config: SynthCPConfig, task: Task) -> None:
        super().__init__(config, task)
        self._network: ComparisonNetwork | None = None
        self._alarm = config.alarm() if task is Task.ANOMALY else None
        self._learner = self._alarm if self._alarm and self._alarm.fit_on() else None

    @classmethod
    def defaults(cls, preset: Preset, protocol: Protocol, dataset: DatasetInfo) -> dict[str, Any]:
        """The published schedules, or sizes for two cores."""
        seen = comparison.defaults(preset, protocol, dataset)
        scales = published_scales(preset, dataset)
        return {"cgan": synthesis.defaults(preset, protocol, dataset), "scales": scales, "comparison": seen}

    def options(self) -> Sequence[Option]:
        """The thresholds of Table 4 and what was added to Eq. 9; in failures, the two rows of Table 1."""
        config = self.config
        if self.task is not Task.ANOMALY:
            heads = ("joint", "image" if self.task is Task.IMAGE_FAILURE else "pixel")
            return [Option("head", rows=heads), *comparison.options(config.comparison)]
        published = config.fusion == "gate" and config.t == type(config).model_fields["t"].default
        note = (
            f"The threshold of {config.t} is the published one, which was chosen on the test set of "
            "StreetHazards."
        )
        threshold = Option("t", THRESHOLDS, THRESHOLDS, chosen_on_test=note if published else None)
        added = {
            "fusion": config.fusion == "product",
            "reduce": config.reduce,
            "layer": config.layer != "decoder",
        }
        tried = (
            "fusion=product, reduce and other layers than the decoder were tried on every sixth test image "
            "of CamVid laid out as StreetHazards."
        )
        return [threshold, *(Option(name, chosen_on_test=tried) for name, used in added.items() if used)]

    def parts(self) -> Sequence[Method]:
        """The gate's alarm, if it is another than MSP."""
        return (self._alarm,) if self._alarm else ()

    def files(self) -> list[Path]:
        """Eq. 9 has no comparison network, and needs none of the weights that one would start from."""
        return self.config.cgan.files() if self.task is Task.ANOMALY else super().files()

    def needs(self) -> Needs:
        """Features of the real image for Eq. 9; probabilities for the comparison network."""
        if self.task is not Task.ANOMALY:
            return Needs(probabilities=True)
        own = Needs() if self.config.reduce else Needs(features=frozenset({self.config.features}))
        return own | self._alarm.needs() if self._alarm else own

    def fit_on(self) -> FitOn | None:
        """Eq. 9 needs a cGAN, which needs labels alone; predictors of failure need real failures."""
        if self.task is not Task.ANOMALY:
            return comparison.fit_on(self.config.comparison)
        return self._learner.fit_on() if self._learner else FitOn.labels()

    def fit_key(self) -> dict[str, Any]:
        """The image and the pixel task share a joint network, and all thresholds of Table 4 one cGAN."""
        cgan_config = self.config.cgan.model_dump(mode="json")
        if self.task is Task.ANOMALY:
            learned = {"gate": self.config.gate_with, **self._learner.fit_key()} if self._learner else {}
            return {"cgan": cgan_config, **learned}
        network = self.config.comparison.model_dump(mode="json")
        return {"cgan": cgan_config, "comparison": network, "head": self.config.head}

    def skip(self, dataset: DatasetInfo) -> str | None:
        """A head alone does one of the two failure tasks; Eq. 9 and its gate's alarm may have no meaning."""
        if self.task is Task.ANOMALY and dataset.ndim == 3:
            return "Eq. 9 compares the features of photographs; nothing like it is published for volumes"
        absent = self._alarm.skip(dataset) if self._alarm else None
        return comparison.no_part(self.config.comparison, self.config.head, self.task) or absent

    def fit(self, pairs: Pairs, context: Context) -> None:
        """Train the cGAN where it is not there yet, and the comparison network or the gate's alarm."""
        key, synthesizer = cgan(self.config.cgan, context)
        if self.task is Task.ANOMALY:
            if self._learner:
                self._learner.fit(pairs, context)
            return
        self._network = comparison.taken(self.config.comparison, True, context)
        if self._network is not None:
            return
        images = self.synthesized(pairs, key, synthesizer, context)
        config = self.config.comparison
        # An artifact, since other methods build on this one.
        made = context.artifact(
            "comparison",
            config,
            partial(comparison.write, config, self.config.head, pairs, images),
            seed=context.seed,
            inputs=[pairs.key, key, str(self.fit_key())],
        )
        self._network = comparison.load(made, context.info, config, True, context.device)

    def synthesized(self, pairs: Pairs, key: str, synthesizer: Synthesizer, context: Context) -> Images:
        """x̂ of every pair's prediction, uint8 (C, *size) each.

        Args:
            key: stands for the synthesizer.
        """
        made = context.artifact(
            "synthesized",
            self.config.cgan,
            partial(synthesize_all, pairs, synthesizer),
            seed=self.config.cgan.seed,
            inputs=[pairs.key, key],
        )
        return Written(made, len(pairs))

    def save(self, folder: Path) -> None:
        """The comparison network or the gate's alarm; the cGAN is an artifact of its own."""
        if self._network is not None:
            comparison.save(self._network, folder)
        if self._learner:
            self._learner.save(folder)

    def load(self, folder: Path, context: Context) -> None:
        """Read the comparison network or the gate's alarm, and have the cGAN ready."""
        cgan(self.config.cgan, context)
        if self._learner:
            self._learner.load(folder, context)
        if self.task is not Task.ANOMALY:
            self._network = comparison.load(
                folder, context.info, self.config.comparison, True, context.device
            )

    def score(self, batch: Sequence[Item], context: Context) -> list[Scores]:
        """Eq. 9 with its gate, or the comparison network."""
        key, synthesizer = cgan(self.config.cgan, context)
        if self.task is Task.ANOMALY:
            return [self._anomaly(item, key, synthesizer, context) for item in batch]
        return [self._failure(item, key, synthesizer, context) for item in batch]

    def _anomaly(self, item: Item, key: str, synthesizer: Synthesizer, context: Context) -> Scores:
        size = (int(item.view.image.shape[1]), int(item.view.image.shape[2]))

        def features_of(image: Tensor) -> Tensor:
            assert context.segmenter is not None
            needs = Needs(features=frozenset({self.config.features}))
            found = context.segmenter.predict(image[None], [item.view.key], needs, context.seed)
            return found[0].features[self.config.features]

        def compare() -> Tensor:
            made = synthesized_of(item, key, synthesizer).float() / 255
            synthesized = enlarged(made, size)
            if self.config.reduce:
                image = torch.from_numpy(item.view.image).to(synthesized)
                real = features_of(reduced(image, (made.shape[1], made.shape[2])))
            else:
                real = item.prediction.features[self.config.features]
            return cosine_distance(real, features_of(synthesized), size)

        distance = item.memo.get(("Eq. 9", key, self.config.features, self.config.reduce), compare)
        confidence = item.prediction.confidence
        if self.config.fusion == "product":
            score = product(distance, confidence)
        else:
            score = gated(distance, confidence, self.config.t, self._sure(item, context))
        return Scores(pixel=score.float().cpu().numpy(), shown=shown(item, key, synthesizer))

    def _sure(self, item: Item, context: Context) -> Tensor | None:
        """What the gate's alarm says, at the place of 1 - p; None for 1 - p itself."""
        alarm = self._alarm
        if alarm is None:
            return None

        def ask() -> Tensor:
            pixel = alarm.score([item], context)[0].pixel
            assert pixel is not None
            return torch.from_numpy(pixel)

        said = item.memo.get(("gate", self.config.gate_with, str(alarm.config)), ask)
        return squeezed(said.to(item.prediction.confidence), 1 - self.config.t)

    def _failure(self, item: Item, key: str, synthesizer: Synthesizer, context: Context) -> Scores:
        def compare() -> tuple[Tensor, Tensor]:
            assert self._network is not None
            synthesized = synthesized_of(item, key, synthesizer)
            return comparison.compare(
                self._network, self.config.comparison, item, synthesized, context.device
            )

        # The joint network answers the image's and the pixels' question in one go.
        found = item.memo.get(("Eq. 5", str(self.fit_key())), compare)
        return comparison.to_scores(
            self.task, self.config.comparison, found, item, shown(item, key, synthesizer)
        )


def synthesized_of(item: Item, key: str, synthesizer: Synthesizer) -> Tensor:
    """x̂ of an image (Eq. 3), uint8 (C, *size), made once for all methods of the run."""
    return item.memo.get(("Eq. 3", key), lambda: synthesizer(item.prediction.labels[None])[0])


def shown(item: Item, key: str, synthesizer: Synthesizer) -> dict[str, npt.NDArray[np.uint8]]:
    """x̂, for people: of an image of other than three channels the first."""
    image = synthesized_of(item, key, synthesizer).cpu().numpy()
    return {"synthesized": image if len(image) == 3 else image[:1].repeat(3, axis=0)}


@dataclass(frozen=True)
class Written(Sequence[npt.NDArray[np.uint8]]):
    """A number of synthesized images, a file each, memory-mapped when indexed."""

    folder: Path
    number: int

    def __len__(self) -> int:
        return self.number

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[place] for place in range(self.number)[index]]
        return np.load(self.file(range(self.number)[index]), mmap_mode="r")

    def file(self, index: int) -> Path:
        """Where an image is."""
        return self.folder / f"{index:06d}.npy"


def synthesize_all(pairs: Pairs, synthesizer: Synthesizer, folder: Path, context: Context) -> None:
    """Write x̂ of every pair's prediction."""
    written = Written(folder, len(pairs))
    for index in context.track(range(len(pairs)), "synthesize", len(pairs)):
        prediction = pairs[index].prediction
        assert prediction is not None
        np.save(written.file(index), synthesizer(prediction.labels[None])[0].cpu().numpy())
