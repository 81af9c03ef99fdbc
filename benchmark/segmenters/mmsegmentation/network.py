"""Builds mmsegmentation's network of a config for the classes of a data set."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ...interfaces.errors import BenchError, UnknownNameError
from . import mmcv_ops

HEADS = ("decode_head", "auxiliary_head")
WEIGHTED = ("OhemCrossEntropy", "PlainCrossEntropy", "CrossEntropyLoss")
CONFIGS = Path(__file__).with_name("configs")
"""Configs of the project's own."""
FOREIGN = ("mmdet.", "mmpretrain.", "mmcls.", "mmrotate.")


@dataclass(frozen=True)
class Blueprint:
    """What of a config is needed to make its network.

    Attributes:
        name: the config's, for messages.
        model: the config's `model`, adapted to the classes.
    """

    name: str
    model: dict[str, Any]

    @property
    def mean(self) -> tuple[float, ...]:
        """Of the normalisation, a number a channel, on 0..255."""
        return tuple(self._preprocessor.get("mean") or (0.0, 0.0, 0.0))

    @property
    def std(self) -> tuple[float, ...]:
        """Of the normalisation, a number a channel, on 0..255."""
        return tuple(self._preprocessor.get("std") or (1.0, 1.0, 1.0))

    @property
    def bgr(self) -> bool:
        """Whether the network reads blue first: mmsegmentation loads BGR and may turn it into RGB."""
        return not self._preprocessor.get("bgr_to_rgb", False)

    @property
    def _preprocessor(self) -> Mapping[str, Any]:
        found = self.model.get("data_preprocessor")
        return found if isinstance(found, Mapping) else {}

    def build(self) -> nn.Module:
        """The network with freshly drawn weights, on the CPU.

        Raises:
            BenchError: it needs mmdet or a compiled operator, or the config is faulty.
        """
        from mmengine.registry import DefaultScope
        from mmseg.registry import MODELS

        from .architectures import deeplab, efficientnet, fcn8s, losses  # noqa: F401 - register themselves

        try:
            # mmsegmentation finds its own parts only while it is the default scope.
            with DefaultScope.overwrite_default_scope("mmseg"):
                network = MODELS.build(_copy(self.model))
            network.init_weights()
        except BenchError:
            raise
        except Exception as error:  # whatever a config makes mmsegmentation raise
            what = f"mmsegmentation config {self.name} cannot be built"
            raise BenchError(f"{what}: {_first_line(error)}") from error
        if not isinstance(network, nn.Module) or not hasattr(network, "encode_decode"):
            raise BenchError(f"mmsegmentation config {self.name} is no encoder-decoder for photographs")
        return network


def read_blueprint(
    config: str,
    classes: int,
    dropout: float | None = None,
    weights: Sequence[float] | Literal["config"] | None = None,
    plain_loss: bool = False,
) -> Blueprint:
    """Read a config by its name in mmsegmentation, or a `.py` file.

    Args:
        config: a name, or a path.
        classes: number of classes for every head.
        dropout: ratio before the classifier; None leaves the config's.
        weights: a number a class for the cross entropies; None for none; "config" for the config's own,
            where they are as many as the classes.
        plain_loss: cross entropy in place of one on hard pixels alone (OHEM).

    Raises:
        BenchError: no such config, or one that needs another package.
    """
    mmcv_ops.install()
    from mmengine.config import Config

    path = find(config)
    try:
        content = Config.fromfile(str(path))
        model = content.get("model")
        model = model.to_dict() if hasattr(model, "to_dict") else model
    except Exception as error:  # a config is a program
        raise BenchError(f"mmsegmentation config {path} cannot be read: {_first_line(error)}") from error
    if not isinstance(model, dict) or "decode_head" not in model:
        raise BenchError(f"mmsegmentation config {path} has no model with a decode_head")
    model = _offline(model)
    foreign = next((kind for kind in _types(model) if kind.startswith(FOREIGN)), None)
    if foreign is not None:
        package = foreign.partition(".")[0]
        raise BenchError(
            f"mmsegmentation config {path.stem} needs {package} ('{foreign}'): choose another config"
        )
    for head in _heads(model):
        _set_classes(head, classes, weights, plain_loss)
    if dropout is not None:
        last = model["decode_head"]
        (last[-1] if isinstance(last, list) else last)["dropout_ratio"] = dropout
    return Blueprint(path.stem, model)


def find(config: str) -> Path:
    """The file of a config.

    Raises:
        BenchError: there is none; gives the nearest names.
    """
    path = Path(config)
    if path.suffix == ".py" and path.is_file():
        return path
    import mmseg

    theirs = (Path(mmseg.__file__).parent / ".mim" / "configs").glob("*/*.py")
    known = {file.stem: file for file in (*theirs, *CONFIGS.glob("*.py"))}
    name = path.name.removesuffix(".py")
    if name not in known:
        if path.suffix == ".py" and len(path.parts) > 1:
            raise BenchError(f"mmsegmentation config {path} does not exist")
        # The list of all some 600 names would bury the nearest.
        near = UnknownNameError("mmsegmentation config", config, known)
        raise BenchError(str(near).partition(" Available:")[0] + f" mmsegmentation has {len(known)}")
    return known[name]


def files_of(config: Path) -> list[Path]:
    """A config's file and those of its `_base_`, all the way down."""
    based = {"_base_"}
    found = [config]
    for node in ast.parse(config.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and based & {getattr(target, "id", None) for target in node.targets}:
            named = ast.literal_eval(node.value)
            for base in [named] if isinstance(named, str) else named:
                found += files_of(config.parent / base)
    return found


class Normalise(nn.Module):
    """Photographs in [0, 1], RGB, to what the network reads."""

    def __init__(self, blueprint: Blueprint) -> None:
        super().__init__()
        self.bgr = blueprint.bgr
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(blueprint.mean).view(1, -1, 1, 1) / 255, persistent=False)
        self.register_buffer("std", torch.tensor(blueprint.std).view(1, -1, 1, 1) / 255, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """float32 (B, 3, H, W)."""
        if self.bgr:
            images = images.flip(1)
        normalised: Tensor = (images - self.mean) / self.std
        return normalised.contiguous(memory_format=torch.channels_last)


def _offline(node: Any) -> Any:
    """Without links to pretrained weights, and without batch norm over several processes."""
    if isinstance(node, dict):
        kept = {key: _offline(value) for key, value in node.items()}
        if "pretrained" in kept:
            kept["pretrained"] = None
        if kept.get("type") in ("SyncBN", "MMSyncBN", "SyncBatchNorm"):
            kept["type"] = "BN"
        start = kept.get("init_cfg")
        if isinstance(start, dict | list):
            kept["init_cfg"] = _without_links(start)
        return kept
    if isinstance(node, list | tuple):
        return type(node)(_offline(value) for value in node)
    return node


def _without_links(start: Any) -> Any:
    if isinstance(start, dict):
        return None if start.get("type") == "Pretrained" else start
    return [part for part in start if part.get("type") != "Pretrained"] or None


def _set_classes(
    head: dict[str, Any], classes: int, weights: Sequence[float] | Literal["config"] | None, plain: bool
) -> None:
    head["num_classes"] = classes
    # One channel for two classes would need a threshold, not a softmax.
    head.pop("out_channels", None)
    losses = head.get("loss_decode")
    for loss in losses if isinstance(losses, list | tuple) else [losses]:
        if not isinstance(loss, dict):
            continue
        own = loss.get("class_weight")
        if weights == "config":
            loss["class_weight"] = own if isinstance(own, list | tuple) and len(own) == classes else None
        elif loss.get("type") in WEIGHTED and not loss.get("use_sigmoid"):
            loss["class_weight"] = None if weights is None else list(weights)
        weighted = loss.get("class_weight") is not None
        kind = loss.get("type")
        # mmsegmentation's own cross entropy looks void up among the class weights, and fails.
        if (kind == "OhemCrossEntropy" and plain) or (
            kind == "CrossEntropyLoss" and not loss.get("use_sigmoid") and (weighted or plain)
        ):
            kept = {key: loss[key] for key in ("class_weight", "loss_weight", "loss_name") if key in loss}
            loss.clear()
            loss.update(kept, type="PlainCrossEntropy")
        if not weighted:
            loss.pop("class_weight", None)


def _heads(model: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for name in HEADS:
        found = model.get(name)
        if isinstance(found, dict):
            yield found
        elif isinstance(found, list | tuple):
            yield from (head for head in found if isinstance(head, dict))


def _types(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        if isinstance(node.get("type"), str):
            yield node["type"]
        for value in node.values():
            yield from _types(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from _types(value)


def _copy(model: dict[str, Any]) -> Any:
    # mmsegmentation changes what it builds from, and reads keys as attributes.
    from mmengine.config import ConfigDict

    return ConfigDict(_offline(model))


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"
