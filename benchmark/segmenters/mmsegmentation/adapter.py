"""Makes any encoder-decoder of mmsegmentation a segmenter; the hyper-parameter `config` names the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ...interfaces import (
    AnyConfig,
    Context,
    DatasetInfo,
    Features,
    MonteCarlo,
    Needs,
    Prediction,
    Preset,
    Protocol,
    Sample,
    Segmenter,
)
from ...interfaces.errors import BenchError
from ...training import Objective, poly, seed_everything, train
from ...weights.checkpoints import load_fitting, load_strict, read_checkpoint, save_weights
from ...weights.pretrained import find_weights
from ...weights.published_names import deep_stem, efficientnet
from ..dropout_passes import active_dropouts, dropout_on, stable_seed, statistics
from .construction.blueprint import Blueprint, ClassWeights, read_blueprint
from .construction.config_files import find_config, with_bases
from .construction.network_building import Normalise, build_network
from .crops import Crops, balanced_weights
from .hyper_parameters import SMALL, SMALL_MINIATURE, SMOKE, MMSegConfig
from .inference import Inference, set_window
from .inner_features import DECODER
from .multi_scale import rounded_up, segment, stochastic
from .objective import make_optimizer, network_losses

WEIGHTS = "segmenter.safetensors"


class MMSegmenter(Segmenter):
    """A network of mmsegmentation. A subclass chooses a config and the hyper-parameters of its presets."""

    Config: ClassVar[type[AnyConfig]] = MMSegConfig
    name: ClassVar[str] = "mmseg"
    full: ClassVar[Mapping[str, Any]] = {}
    """Preset `full`: the published hyper-parameters, where they differ from the defaults of `MMSegConfig`."""
    small_steps: ClassVar[int] = 2000
    """Training steps in the preset `small`: about a quarter of an hour on two CPU cores."""
    mini_steps: ClassVar[int] = 500
    """Training steps in the preset `small` on a miniature data set: about a minute on two CPU cores."""
    reduced: ClassVar[Mapping[str, Any]] = {}
    """Further hyper-parameters of the preset `small`."""
    architecture: ClassVar[Mapping[str, Any]] = {}
    """Hyper-parameters that are the same in all presets."""
    decoder: ClassVar[str] = ""
    """Path of the module whose input is the layer "decoder"; empty for the classifier."""
    branch: ClassVar[tuple[str, ...]] = (DECODER,)
    """The layers that a confidence branch reads; see `Prediction.branch`."""

    def __init__(self, config: AnyConfig, dataset: DatasetInfo) -> None:
        super().__init__(config, dataset)
        self._inference: Inference | None = None

    @classmethod
    def defaults(cls, preset: Preset, protocol: Protocol, dataset: DatasetInfo) -> dict[str, Any]:
        """The preset's hyper-parameters; `small` is shorter on miniature data sets."""
        if preset is Preset.FULL:
            chosen = dict(cls.full)
        elif preset is Preset.SMOKE:
            chosen = dict(SMOKE)
        elif dataset.miniature:
            chosen = {**SMALL_MINIATURE, "steps": cls.mini_steps, **cls.reduced}
        else:
            chosen = {**SMALL, "steps": cls.small_steps, **cls.reduced}
        return {**chosen, **cls.architecture}

    @property
    def settings(self) -> MMSegConfig:
        """The hyper-parameters, with their type."""
        assert isinstance(self.config, MMSegConfig)
        return self.config

    def sources(self) -> list[Path]:
        """The files of the mmsegmentation config and of the configs that it is based on."""
        return with_bases(find_config(self.settings.config))

    def lacks(self, needs: Needs) -> str | None:
        """Say which dropout, ensemble or layers are needed that this network does not have."""
        if needs.ensemble:
            return f"{self.name} is one network, no ensemble"
        if needs.monte_carlo and not active_dropouts(self._untrained):
            return f"{self.name} has no active dropout; give it one: --set {self.name}.dropout=0.1"
        layers = {features.layer for features in needs.features}
        unknown = layers - {DECODER, *dict(self._untrained.named_modules())}
        if unknown:
            parts = ", ".join(name for name, _ in self._untrained.named_children())
            return f"{self.name} has no layer {sorted(unknown)}: name 'decoder', or a module below {parts}"
        return None

    @cached_property
    def _untrained(self) -> nn.Module:
        """A network for questions about its structure. Building it leaves the global generator as it was."""
        with torch.random.fork_rng(devices=[]):
            return build_network(self._blueprint())

    def fit(self, samples: Sequence[Sample], context: Context) -> None:
        """Train on the samples.

        Raises:
            BenchError: There are no samples, a label is no class, or a loss is not finite.
        """
        settings = self.settings
        if not len(samples):
            raise BenchError(f"segmenter {self.name}: no training samples of {self.dataset.name}")
        blueprint = self._blueprint(self._class_weights(samples))
        seed_everything(context.seed)
        network: Any = build_network(blueprint)
        network = network.to(memory_format=torch.channels_last)
        self._start_from_pretrained(network, context)
        normalise = Normalise(blueprint)
        crops = Crops(
            samples,
            len(self.dataset.classes),
            settings.batch_size,
            settings.crop or rounded_up(samples[0].image.shape[1:], settings.divisor),
            settings.augment,
            context.seed,
        )
        objective: Objective[tuple[Tensor, Tensor]] = Objective(
            make_optimizer(network, settings),
            partial(network_losses, network, normalise),
            poly(settings.horizon or settings.steps, settings.power, settings.warmup),
            settings.clip,
        )
        train(
            f"train {self.name}",
            {"network": network, "normalise": normalise},
            [objective],
            crops,
            settings.steps,
            context,
            accumulate=settings.gradient_accumulation,
        )
        self._use(network, blueprint, context.device)

    def save(self, folder: Path) -> None:
        """Write the weights into the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        save_weights(self._ready.network, folder / WEIGHTS)

    def load(self, folder: Path, device: str) -> None:
        """Read the weights that `save` wrote."""
        self.load_checkpoint(folder / WEIGHTS, device)

    def load_checkpoint(self, file: Path, device: str) -> None:
        """Read a checkpoint of mmsegmentation, or a bare state dict of the network."""
        blueprint = self._blueprint()
        network = build_network(blueprint)
        state = read_checkpoint(file)
        own = {key: value for key, value in state.items() if not key.startswith("data_preprocessor.")}
        load_strict(network, own, file)
        self._use(network, blueprint, device)

    @torch.no_grad()  # not inference mode: methods may train on the predictions
    def predict(self, images: Tensor, keys: Sequence[str], needs: Needs, seed: int) -> list[Prediction]:
        """Segment images of one size: float32 (B, 3, H, W), RGB in [0, 1]."""
        branch = [Features(layer) for layer in self.branch] if needs.branch else []
        logits, probabilities, features = segment(
            self._ready, images, self.settings.scales, needs.features | set(branch)
        )
        confidence, labels = probabilities.max(dim=1)
        predictions = []
        for index, key in enumerate(keys):
            prediction = Prediction(labels[index], confidence[index])
            if needs.logits:
                prediction.logits = logits[index]
            if needs.probabilities:
                prediction.probabilities = probabilities[index]
            prediction.features = {wanted: features[wanted][index] for wanted in needs.features}
            prediction.branch = tuple(features[wanted][index] for wanted in branch)
            if needs.monte_carlo:
                image = images[index : index + 1]
                prediction.monte_carlo = self._monte_carlo(image, key, seed, needs.monte_carlo)
            predictions.append(prediction)
        return predictions

    def _monte_carlo(
        self, image: Tensor, key: str, seed: int, passes: frozenset[int]
    ) -> dict[int, MonteCarlo]:
        modules = [module for _, module in active_dropouts(self._ready.network)]
        if not modules:
            raise BenchError(
                f"segmenter {self.name} has no dropout for Monte-Carlo passes: --set {self.name}.dropout=0.1"
            )
        draw = stochastic(self._ready, image, self.settings.scales)
        with dropout_on(modules, image.device, stable_seed(seed, key)):
            return statistics(draw, passes)

    def _blueprint(self, class_weights: ClassWeights = None) -> Blueprint:
        settings = self.settings
        return read_blueprint(
            settings.config,
            len(self.dataset.classes),
            settings.dropout,
            class_weights,
            plain_loss=settings.loss == "cross-entropy",
        )

    def _class_weights(self, samples: Sequence[Sample]) -> ClassWeights:
        if self.settings.class_weights == "balanced":
            return balanced_weights(samples, len(self.dataset.classes), self.settings.balance)
        return "config" if self.settings.class_weights == "config" else None

    def _start_from_pretrained(self, network: nn.Module, context: Context) -> None:
        """Load the pretrained weights that fit the network, if any are named, and record which."""
        name = self.settings.pretrained
        context.weights[self.name] = name or "none"
        if name is None:
            return
        file = find_weights(name)
        load_fitting(network, self.pretrained_state(read_checkpoint(file)), file, f"{self.name}.pretrained")

    def pretrained_state(self, published: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the tensors of a published file under every name that the network may have for them.

        The file of a backbone alone names the layers without the prefix "backbone."; EfficientNet's file adds
        underscores, and a ResNet's file may name the three convolutions of the stem one by one.
        """
        return {
            name: value
            for key, value in published.items()
            for name in (key, *(f"backbone.{own}" for own in (key, efficientnet(key), deep_stem(key))))
        }

    def _use(self, network: Any, blueprint: Blueprint, device: str) -> None:
        """Move a trained network to the device and make it the one that predicts."""
        network = network.to(device, memory_format=torch.channels_last).eval()
        slide = self.settings.inference == "slide"
        if slide:
            set_window(network, self.settings.crop)
        normalise = Normalise(blueprint).to(device)
        classes, divisor = len(self.dataset.classes), self.settings.divisor
        self._inference = Inference(network, normalise, classes, divisor, slide, self.decoder)

    @property
    def _ready(self) -> Inference:
        if self._inference is None:
            raise BenchError(f"segmenter {self.name} is neither trained nor loaded")
        return self._inference
