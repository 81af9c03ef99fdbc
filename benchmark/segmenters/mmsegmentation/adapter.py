"""Any encoder-decoder of mmsegmentation as a segmenter, named by its config."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from ...interfaces import (
    VOID,
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
from ...interfaces import Config as BaseConfig
from ...interfaces.errors import BenchError
from ...training import Objective, poly, seed_everything, train
from ...weights.checkpoints import load_strict, read_checkpoint, save_weights
from ...weights.pretrained import find_weights, plain
from ..scales import padded, scaled
from ..stochastic import active_dropouts, dropout_on, stable_seed, statistics
from .augment import Augment
from .crops import Crops, balanced_weights
from .inference import DECODER, Runner
from .network import Blueprint, Normalise, files_of, find, read_blueprint
from .published_keys import deep_stem

WEIGHTS = "segmenter.safetensors"
EDGE_WIDTH = 4
"""Of the boundaries that PIDNet learns, in pixels, as its config has it."""


class MMSegConfig(BaseConfig):
    """Hyper-parameters of an mmsegmentation network.

    Attributes:
        config: a name of mmsegmentation's configs, or a path of a `.py` file.
        pretrained: a checkpoint whose fitting weights the training starts from: a file, or a name that
            `find_weights` knows.
        steps: updates of the weights.
        crop: height and width of what is trained on; None for the first image's size.
        gradient_accumulation: batches an update.
        power, horizon: the learning rate falls as (1 - step / horizon) ** power; None for `steps`.
        head_rate: factor on the learning rate of the heads.
        class_weights: "balanced" weighs rare classes up; "config" keeps the config's.
        balance: how little they are weighed up, c of `balanced_weights`.
        loss: "config" keeps the config's; "cross-entropy" learns from all pixels where the config would
            pick the hard ones (OHEM).
        inference: the whole image, or a window that slides over it.
        scales: short sides of the image whose softmax is averaged; empty for the image as it is.
        dropout: ratio before the classifier; None leaves the config's.
        divisor: images are padded to a multiple of it.
    """

    config: str
    pretrained: str | None = None
    steps: int = Field(80_000, ge=1)
    batch_size: int = Field(8, ge=1)
    learning_rate: float = Field(0.01, gt=0)
    optimizer: Literal["adamw", "sgd"] = "sgd"
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(5e-4, ge=0)
    warmup: int = Field(0, ge=0)
    power: float = Field(0.9, ge=0)
    horizon: int | None = Field(None, ge=1)
    clip: float | None = Field(None, gt=0)
    head_rate: float = Field(1.0, gt=0)
    crop: tuple[int, int] | None = None
    augment: Augment = Augment()
    class_weights: Literal["none", "balanced", "config"] = "config"
    balance: float = Field(1.02, gt=1)
    loss: Literal["config", "cross-entropy"] = "config"
    gradient_accumulation: int = Field(1, ge=1)
    inference: Literal["whole", "slide"] = "whole"
    scales: tuple[int, ...] = ()
    dropout: float | None = Field(None, ge=0, lt=1)
    divisor: int = Field(32, ge=1)

    def files(self) -> list[Path]:
        """A config that is no bundled one, and the weights to start from."""
        own = [Path(self.config)] if self.config.endswith(".py") else []
        return [*own, find_weights(self.pretrained)] if self.pretrained else own


_FROM_SCRATCH: dict[str, Any] = {
    "optimizer": "adamw",
    "learning_rate": 2e-3,
    "weight_decay": 0.01,
    "warmup": 50,
    "loss": "cross-entropy",
    "class_weights": "balanced",
}
_SMALL = {**_FROM_SCRATCH, "crop": (256, 320), "batch_size": 6, "augment": {"scale": (0.6, 1.6)}}
_MINI = {
    **_FROM_SCRATCH,
    "crop": (96, 160),
    "batch_size": 8,
    "steps": 600,
    "augment": {"scale": (0.7, 1.5), "jitter": 0.5},
}
_SMOKE = {**_FROM_SCRATCH, "crop": (64, 64), "batch_size": 2, "steps": 8, "warmup": 0}


class MMSegmenter(Segmenter):
    """A network of mmsegmentation; `config` names it."""

    Config: ClassVar[type[BaseConfig]] = MMSegConfig
    name: ClassVar[str] = "mmseg"
    full: ClassVar[Mapping[str, Any]] = {}
    """What the network's authors used, where it differs from `MMSegConfig`."""
    small_steps: ClassVar[int] = 2000
    """Steps of the preset `small`: about a quarter of an hour on two cores."""
    mini_steps: ClassVar[int] = 500
    """Likewise on the generated data sets: about a minute."""
    reduced: ClassVar[Mapping[str, Any]] = {}
    """What these two presets set besides."""
    architecture: ClassVar[Mapping[str, Any]] = {}
    """What no preset changes."""
    decoder: ClassVar[str] = ""
    """Path of the module whose input is the layer "decoder"; empty for the classifier."""
    branch: ClassVar[tuple[str, ...]] = (DECODER,)
    """The layers that a confidence branch reads, see `Prediction.branch`."""

    def __init__(self, config: BaseConfig, dataset: DatasetInfo) -> None:
        super().__init__(config, dataset)
        self._runner: Runner | None = None

    @classmethod
    def defaults(cls, preset: Preset, protocol: Protocol, dataset: DatasetInfo) -> dict[str, Any]:
        """Schedules: the authors', a quarter of an hour on two cores, seconds."""
        if preset is Preset.FULL:
            chosen = dict(cls.full)
        elif preset is Preset.SMOKE:
            chosen = dict(_SMOKE)
        elif dataset.name.endswith("-mini"):
            chosen = {**_MINI, "steps": cls.mini_steps, **cls.reduced}
        else:
            chosen = {**_SMALL, "steps": cls.small_steps, **cls.reduced}
        return {**chosen, **cls.architecture}

    @property
    def settings(self) -> MMSegConfig:
        """The configuration, typed."""
        assert isinstance(self.config, MMSegConfig)
        return self.config

    def sources(self) -> list[Path]:
        """The config, and those that it is based on."""
        return files_of(find(self.settings.config))

    def lacks(self, needs: Needs) -> str | None:
        """Dropout, logits, members or layers that this configuration has not."""
        if needs.ensemble:
            return f"{self.name} is one network, no ensemble"
        if needs.monte_carlo and not active_dropouts(self._bare):
            return f"{self.name} has no active dropout; give it one: --set {self.name}.dropout=0.1"
        layers = {each.layer for each in needs.features} - {DECODER, *dict(self._bare.named_modules())}
        if layers:
            known = ", ".join(name for name, _ in self._bare.named_children())
            return f"{self.name} has no layer {sorted(layers)}: name 'decoder', or a module below {known}"
        return None

    @cached_property
    def _bare(self) -> nn.Module:
        """An untrained network, for questions about its structure; draws nothing from the run's generator."""
        with torch.random.fork_rng(devices=[]):
            return self._blueprint().build()

    def fit(self, samples: Sequence[Sample], context: Context) -> None:
        """Train on `samples`.

        Raises:
            BenchError: no samples, labels out of range, or a loss that is not finite.
        """
        settings = self.settings
        if not len(samples):
            raise BenchError(f"segmenter {self.name}: no training samples of {self.dataset.name}")
        weights = self._class_weights(samples)
        blueprint = self._blueprint(weights)
        seed_everything(context.seed)
        network: Any = blueprint.build()
        network = network.to(memory_format=torch.channels_last)
        self._start_from_pretrained(network, context)
        normalise = Normalise(blueprint)
        crops = Crops(
            samples,
            len(self.dataset.classes),
            settings.batch_size,
            settings.crop or padded(samples[0].image.shape[1:], settings.divisor),
            settings.augment,
            context.seed,
        )
        objective: Objective[tuple[Tensor, Tensor]] = Objective(
            _optimizer(network, settings),
            partial(_losses, network, normalise),
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
        """Write the weights."""
        folder.mkdir(parents=True, exist_ok=True)
        save_weights(self._network, folder / WEIGHTS)

    def load(self, folder: Path, device: str) -> None:
        """Read what `save` wrote."""
        self._load_weights(folder / WEIGHTS, device)

    def load_checkpoint(self, file: Path, device: str) -> None:
        """Read a checkpoint of mmsegmentation or a bare state dict."""
        self._load_weights(file, device)

    @torch.no_grad()  # not inference mode: methods may train on what comes out
    def predict(self, images: Tensor, keys: Sequence[str], needs: Needs, seed: int) -> list[Prediction]:
        """Segment images of one size: float32 (B, 3, H, W) in [0, 1], RGB."""
        size = (int(images.shape[2]), int(images.shape[3]))
        branch = [Features(layer) for layer in self.branch] if needs.branch else []
        logits, probabilities, features = self._segment(images, size, needs.features | set(branch))
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
                passes = needs.monte_carlo
                prediction.monte_carlo = self._monte_carlo(images[index : index + 1], size, key, seed, passes)
            predictions.append(prediction)
        return predictions

    def _segment(
        self, images: Tensor, size: tuple[int, int], wanted: frozenset[Features]
    ) -> tuple[Tensor, Tensor, dict[Features, Tensor]]:
        """Logits, probabilities, and the wanted features.

        Over several scales the mean of the softmax, as published, and that of the logits: for scores that
        read logits, of which nothing is published.
        """
        runner = self._ready()
        plain = {each.layer for each in wanted if not each.scales}
        features: dict[Features, Tensor] = {}
        logits: Tensor | None = None
        if not self.settings.scales or plain:
            logits, found = runner.logits(images, size, plain)
            features.update({Features(layer): found[layer] for layer in plain})
        for each in wanted:
            if each.scales:
                features[each] = self._averaged_features(images, size, each)
        if not self.settings.scales:
            assert logits is not None
            return logits, torch.softmax(logits, dim=1), features
        views = [scaled(images, short) for short in self.settings.scales]
        return *_over(runner.logits(view, size)[0] for view in views), features

    def _averaged_features(self, images: Tensor, size: tuple[int, int], wanted: Features) -> Tensor:
        """Mean over scales, each brought to a quarter of the image's size."""
        quarter = (-(-size[0] // 4), -(-size[1] // 4))
        total: Tensor | None = None
        for short in wanted.scales:
            view = scaled(images, short)
            _, found = self._ready().logits(view, (int(view.shape[2]), int(view.shape[3])), {wanted.layer})
            resized = F.interpolate(found[wanted.layer], quarter, mode="bilinear", align_corners=False)
            total = resized if total is None else total.add_(resized)
        assert total is not None
        return total / len(wanted.scales)

    def _monte_carlo(
        self, image: Tensor, size: tuple[int, int], key: str, seed: int, passes: frozenset[int]
    ) -> dict[int, MonteCarlo]:
        runner = self._ready()
        modules = [module for _, module in active_dropouts(runner.network)]
        if not modules:
            raise BenchError(
                f"segmenter {self.name} has no dropout for Monte-Carlo passes: --set {self.name}.dropout=0.1"
            )
        views = [scaled(image, short) for short in self.settings.scales] or [image]
        draws = [runner.stochastic(view, size) for view in views]

        def draw() -> tuple[Tensor, Tensor]:
            logits, probabilities = _over(one() for one in draws)
            return probabilities[0], logits[0]

        with dropout_on(modules, image.device, stable_seed(seed, key)):
            return statistics(draw, passes)

    def _blueprint(self, weights: Sequence[float] | Literal["config"] | None = None) -> Blueprint:
        settings = self.settings
        return read_blueprint(
            settings.config,
            len(self.dataset.classes),
            settings.dropout,
            weights,
            plain_loss=settings.loss == "cross-entropy",
        )

    def _class_weights(self, samples: Sequence[Sample]) -> list[float] | Literal["config"] | None:
        if self.settings.class_weights == "balanced":
            return balanced_weights(samples, len(self.dataset.classes), self.settings.balance)
        return "config" if self.settings.class_weights == "config" else None

    def _start_from_pretrained(self, network: nn.Module, context: Context) -> None:
        name = self.settings.pretrained
        context.weights[self.name] = name or "none"
        if name is None:
            return
        file = find_weights(name)
        own = network.state_dict()
        given = self.pretrained_state(read_checkpoint(file))
        fitting = {key: value for key, value in given.items() if key in own and own[key].shape == value.shape}
        encoder = [key for key in own if key.startswith("backbone.")]
        if sum(key in fitting for key in encoder) < len(encoder) / 2:
            raise BenchError(
                f"{self.name}.pretrained: fewer than half of the backbone's weights are in {file}"
            )
        network.load_state_dict(fitting, strict=False)

    def pretrained_state(self, published: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors of a file to start from, under all names that the network may have for them."""
        # Files of a backbone alone name its layers without the prefix, EfficientNet's with underscores, and
        # a ResNet's stem of three convolutions layer by layer.
        return {
            name: value
            for key, value in published.items()
            for name in (key, *(f"backbone.{each}" for each in (key, plain(key), deep_stem(key))))
        }

    def _load_weights(self, file: Path, device: str) -> None:
        blueprint = self._blueprint()
        network = blueprint.build()
        state = read_checkpoint(file)
        load_strict(network, {k: v for k, v in state.items() if not k.startswith("data_preprocessor.")}, file)
        self._use(network, blueprint, device)

    def _use(self, network: Any, blueprint: Blueprint, device: str) -> None:
        network = network.to(device, memory_format=torch.channels_last).eval()
        slide = self.settings.inference == "slide"
        if slide:
            _set_window(network, self.settings.crop)
        normalise = Normalise(blueprint).to(device)
        classes, divisor = len(self.dataset.classes), self.settings.divisor
        self._runner = Runner(network, normalise, classes, divisor, slide, self.decoder)

    def _ready(self) -> Runner:
        if self._runner is None:
            raise BenchError(f"segmenter {self.name} is neither trained nor loaded")
        return self._runner

    @property
    def _network(self) -> nn.Module:
        network: nn.Module = self._ready().network
        return network


def _over(scales: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean over scales of the logits (B, L, H, W), and of their softmax; one scale's at a time is held."""
    logits: Tensor | float = 0.0
    probabilities: Tensor | float = 0.0
    count = 0
    for found in scales:
        logits, probabilities = logits + found, probabilities + torch.softmax(found, dim=1)
        count += 1
    assert isinstance(logits, Tensor)
    assert isinstance(probabilities, Tensor)
    return logits / count, probabilities / count


def _losses(network: Any, normalise: Normalise, batch: tuple[Tensor, Tensor], step: int) -> dict[str, Tensor]:
    """The network's own losses: images (B, 3, H, W) in [0, 1], labels (B, H, W)."""
    images, labels = batch
    found = network.loss(normalise(images), _data_samples(network, labels))
    return {
        key: torch.stack(tuple(value)).sum() if isinstance(value, list | tuple) else value
        for key, value in found.items()
        if "loss" in key  # the rest is logged by mmengine, not minimised
    }


def _data_samples(network: Any, labels: Tensor) -> list[Any]:
    from mmengine.structures import PixelData
    from mmseg.datasets.transforms import GenerateEdge
    from mmseg.structures import SegDataSample

    shape = tuple(labels.shape[1:])
    edges = GenerateEdge(EDGE_WIDTH, VOID) if type(network.decode_head).__name__ == "PIDHead" else None
    samples = []
    for label in labels:
        sample = SegDataSample(metainfo={"img_shape": shape, "pad_shape": shape, "ori_shape": shape})
        sample.gt_sem_seg = PixelData(data=label[None])
        if edges is not None:
            edge = edges.transform({"img_shape": shape, "gt_seg_map": label.cpu().numpy()})["gt_edge_map"]
            sample.gt_edge_map = PixelData(
                data=torch.from_numpy(edge.astype(np.int64))[None].to(label.device)
            )
        samples.append(sample)
    return samples


def _optimizer(network: nn.Module, settings: MMSegConfig) -> torch.optim.Optimizer:
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for key, parameter in network.named_parameters():
        if parameter.requires_grad:
            groups.setdefault(("head" in key.partition(".")[0], parameter.ndim > 1), []).append(parameter)
    options = [
        {
            "params": parameters,
            "lr": settings.learning_rate * (settings.head_rate if head else 1.0),
            # Norms and biases are not pulled to zero.
            "weight_decay": settings.weight_decay if matrix else 0.0,
        }
        for (head, matrix), parameters in groups.items()
    ]
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(options, lr=settings.learning_rate, fused=True)
    return torch.optim.SGD(options, lr=settings.learning_rate, momentum=settings.momentum, fused=True)


def _set_window(network: Any, crop: tuple[int, int] | None) -> None:
    """The sliding window: the config's own, else the training crop with a third of overlap."""
    from mmengine.config import ConfigDict

    given = network.test_cfg or {}
    window = given.get("crop_size") or crop
    if window is None:
        raise BenchError("inference=slide needs a window: set crop to its height and width")
    stride = given.get("stride") or tuple(max(1, length * 2 // 3) for length in window)
    network.test_cfg = ConfigDict(mode="slide", crop_size=tuple(window), stride=tuple(stride))
