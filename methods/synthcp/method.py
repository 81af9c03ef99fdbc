"""SynthCP: synthesize an image from the predicted segmentation, then compare it with the real image.

Xia, Zhang, Liu, Shen and Yuille, "Synthesize then compare", ECCV 2020. Anomalies are scored by the distance
of features (Eq. 9), failures by a comparison network (Eq. 5 to 8).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...benchmark.interfaces import (
    Context,
    DatasetInfo,
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
from .cgan.synthesis_config import cgan_defaults
from .cgan.synthesizer import Synthesizer, cgan
from .comparison.comparison_config import (
    comparison_defaults,
    comparison_fit_on,
    options_chosen_on_test,
    unsupported_head,
)
from .comparison.comparison_network import ComparisonNetwork, load_network, network_from_weights, save_network
from .comparison.comparison_training import SynthesizedImages, write_network
from .comparison.scoring import compare, to_scores
from .feature_distance import cosine_distance, enlarged_nearest, gated, product, reduced
from .gate import squeezed
from .synthcp_config import SynthCPConfig
from .synthesized_images import StoredImages, shown, stored_key, synthesized_of, write_all


class SynthCP(Method):
    """The score is the difference of the image from one that a cGAN synthesizes from its segmentation.

    For anomalies, the score of a pixel is the distance d of features (Eq. 9) where p <= t, and 1 - p
    elsewhere. For failures, a comparison network gives the confidence c of a pixel, whose score is -(c + p),
    and the quality of each class (Eq. 5). All tasks share one cGAN.
    """

    Config = SynthCPConfig
    config: SynthCPConfig

    def __init__(self, config: SynthCPConfig, task: Task) -> None:
        super().__init__(config, task)
        self._network: ComparisonNetwork | None = None
        self._alarm = config.alarm() if task is Task.ANOMALY else None
        self._learner = self._alarm if self._alarm and self._alarm.fit_on() else None

    @classmethod
    def defaults(cls, preset: Preset, protocol: Protocol, dataset: DatasetInfo) -> dict[str, Any]:
        """The published schedules at `full`, smaller networks and shorter schedules below."""
        return {
            "cgan": cgan_defaults(preset, protocol, dataset),
            "scales": published_scales(preset, dataset),
            "comparison": comparison_defaults(preset, protocol, dataset),
        }

    def options(self) -> Sequence[Option]:
        """For anomalies, threshold (Table 4) and additions to Eq. 9; for failures, the head (Table 1)."""
        config = self.config
        if self.task is not Task.ANOMALY:
            heads = ("joint", "image" if self.task is Task.IMAGE_FAILURE else "pixel")
            return [Option("head", rows=heads), *options_chosen_on_test(config.comparison)]
        return config.anomaly_options()

    def parts(self) -> Sequence[Method]:
        """The alarm at the gate, unless it is MSP."""
        return (self._alarm,) if self._alarm else ()

    def files(self) -> list[Path]:
        """The files of the cGAN and, for failures, of the comparison network. Eq. 9 has no such network."""
        return self.config.cgan.files() if self.task is Task.ANOMALY else super().files()

    def needs(self) -> Needs:
        """For anomalies, the features of Eq. 9 and what the alarm at the gate needs; else the softmax."""
        if self.task is not Task.ANOMALY:
            return Needs(probabilities=True)
        # With `reduce`, the segmenter is run on the reduced image while scoring.
        compared = Needs() if self.config.reduce else Needs(features=frozenset({self.config.features}))
        return compared | self._alarm.needs() if self._alarm else compared

    def fit_on(self) -> FitOn | None:
        """For failures, out-of-fold predictions; for anomalies, labels or what the gate's alarm asks for."""
        if self.task is not Task.ANOMALY:
            return comparison_fit_on(self.config.comparison)
        return self._learner.fit_on() if self._learner else FitOn.labels()

    def fit_key(self) -> dict[str, Any]:
        """The hyper-parameters of training. Both failure tasks use one network, all thresholds one cGAN."""
        cgan_config = self.config.cgan.model_dump(mode="json")
        if self.task is Task.ANOMALY:
            learned = {"gate": self.config.gate_with, **self._learner.fit_key()} if self._learner else {}
            return {"cgan": cgan_config, **learned}
        network = self.config.comparison.model_dump(mode="json")
        return {"cgan": cgan_config, "comparison": network, "head": self.config.head}

    def skip(self, dataset: DatasetInfo) -> str | None:
        """Skip anomalies in volumes, tasks that the head is not trained for, and what the alarm skips."""
        if self.task is Task.ANOMALY and dataset.ndim == 3:
            return "Eq. 9 compares the features of photographs, and is not published for volumes"
        reason = unsupported_head(self.config.comparison, self.config.head, self.task)
        return reason or (self._alarm.skip(dataset) if self._alarm else None)

    def fit(self, pairs: Pairs, context: Context) -> None:
        """Train the cGAN if it does not exist yet, and the comparison network or the alarm at the gate."""
        key, synthesizer = cgan(self.config.cgan, context)
        if self.task is Task.ANOMALY:
            if self._learner:
                self._learner.fit(pairs, context)
            return
        self._network = network_from_weights(self.config.comparison, True, context)
        if self._network is not None:
            return
        images = self.synthesized(pairs, key, synthesizer, context)
        config = self.config.comparison
        # An artifact, since other methods (SynthCP + VAE) use the same network.
        folder = context.artifact(
            "comparison",
            config,
            partial(write_network, config, self.config.head, pairs, images),
            seed=context.seed,
            inputs=[pairs.key, key, str(self.fit_key()), stored_key(images)],
        )
        self._network = load_network(folder, context.info, config, True, context.device)

    def synthesized(
        self, pairs: Pairs, key: str, synthesizer: Synthesizer, context: Context
    ) -> SynthesizedImages:
        """x̂ of the prediction of every training sample, uint8 (C, *size) each.

        Args:
            pairs: training samples with predictions.
            key: the key of the cGAN, see `cgan`.
            synthesizer: the cGAN.
            context: the run.
        """
        folder = context.artifact(
            "synthesized",
            self.config.cgan,
            partial(write_all, pairs, synthesizer),
            seed=self.config.cgan.seed,
            inputs=[pairs.key, key],
        )
        return StoredImages(folder, len(pairs))

    def save(self, folder: Path) -> None:
        """Write the comparison network or what the alarm at the gate learned. The cGAN is an artifact."""
        if self._network is not None:
            save_network(self._network, folder)
        if self._learner:
            self._learner.save(folder)

    def load(self, folder: Path, context: Context) -> None:
        """Load the cGAN, and read the comparison network or what the alarm at the gate learned."""
        cgan(self.config.cgan, context)
        if self._learner:
            self._learner.load(folder, context)
        if self.task is not Task.ANOMALY:
            self._network = load_network(folder, context.info, self.config.comparison, True, context.device)

    def score(self, batch: Sequence[Item], context: Context) -> list[Scores]:
        """Score by Eq. 9 with its gate, or by the comparison network."""
        key, synthesizer = cgan(self.config.cgan, context)
        if self.task is Task.ANOMALY:
            return [self._anomaly(item, key, synthesizer, context) for item in batch]
        return [self._failure(item, key, synthesizer, context) for item in batch]

    def _anomaly(self, item: Item, key: str, synthesizer: Synthesizer, context: Context) -> Scores:
        size = (int(item.view.image.shape[1]), int(item.view.image.shape[2]))

        def features_of(image: Tensor) -> Tensor:
            assert context.segmenter is not None
            needs = Needs(features=frozenset({self.config.features}))
            (prediction,) = context.segmenter.predict(image[None], [item.view.key], needs, context.seed)
            return prediction.features[self.config.features]

        def feature_distance() -> Tensor:
            small = synthesized_of(item, key, synthesizer).float() / 255
            synthesized = enlarged_nearest(small, size)
            if self.config.reduce:
                image = torch.from_numpy(item.view.image).to(synthesized)
                real = features_of(reduced(image, (small.shape[1], small.shape[2])))
            else:
                real = item.prediction.features[self.config.features]
            return cosine_distance(real, features_of(synthesized), size)

        distance = item.memo.get(("Eq. 9", key, self.config.features, self.config.reduce), feature_distance)
        confidence = item.prediction.confidence
        if self.config.fusion == "product":
            score = product(distance, confidence)
        else:
            score = gated(distance, confidence, self.config.t, self._sure(item, context))
        return Scores(pixel=score.float().cpu().numpy(), shown=shown(item, key, synthesizer))

    def _sure(self, item: Item, context: Context) -> Tensor | None:
        """The scores of the alarm at the gate, in the range of 1 - p; None for 1 - p itself."""
        alarm = self._alarm
        if alarm is None:
            return None

        def alarm_scores() -> Tensor:
            pixel = alarm.score([item], context)[0].pixel
            assert pixel is not None
            return torch.from_numpy(pixel)

        scores = item.memo.get(("gate", self.config.gate_with, str(alarm.config)), alarm_scores)
        return squeezed(scores.to(item.prediction.confidence), 1 - self.config.t)

    def _failure(self, item: Item, key: str, synthesizer: Synthesizer, context: Context) -> Scores:
        def run_network() -> tuple[Tensor, Tensor]:
            assert self._network is not None
            synthesized = synthesized_of(item, key, synthesizer)
            return compare(self._network, self.config.comparison, item, synthesized, context.device)

        # The memo lets both failure tasks share one pass of the joint network.
        compared = item.memo.get(("Eq. 5", str(self.fit_key())), run_network)
        return to_scores(self.task, self.config.comparison, compared, item, shown(item, key, synthesizer))
