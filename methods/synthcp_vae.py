"""SynthCP + VAE: the mean of the two predicted qualities (Xia et al., ECCV 2020, Table 2)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..benchmark.interfaces import (
    Config,
    Context,
    DatasetInfo,
    FitOn,
    Item,
    Method,
    Needs,
    Pairs,
    Preset,
    Protocol,
    Scores,
    Task,
)
from .synthcp.method import SynthCP
from .synthcp.synthcp_config import SynthCPConfig
from .vae_alarm.method import VAEAlarm, VAEAlarmConfig

FOLDERS = "synthcp", "vae-alarm"
"""The sub-folders in which the two methods store their learned state."""


class SynthCPVAEConfig(Config):
    """Hyper-parameters of the two methods."""

    synthcp: SynthCPConfig = SynthCPConfig()
    vae_alarm: VAEAlarmConfig = VAEAlarmConfig()


class SynthCPVAE(Method):
    """The quality of a class is the mean of the qualities that SynthCP and VAE alarm predict.

    SynthCP looks at the image, VAE alarm at the shapes of the prediction. The networks are artifacts: a run
    of the single methods uses the same ones.
    """

    Config = SynthCPVAEConfig
    config: SynthCPVAEConfig

    def __init__(self, config: SynthCPVAEConfig, task: Task) -> None:
        super().__init__(config, task)
        self.synthcp = SynthCP(config.synthcp, task)
        self.vae_alarm = VAEAlarm(config.vae_alarm, task)

    @classmethod
    def defaults(cls, preset: Preset, protocol: Protocol, dataset: DatasetInfo) -> dict[str, Any]:
        """The defaults of the two methods."""
        return {
            "synthcp": SynthCP.defaults(preset, protocol, dataset),
            "vae_alarm": VAEAlarm.defaults(preset, protocol, dataset),
        }

    def parts(self) -> Sequence[Method]:
        """SynthCP and VAE alarm."""
        return self.synthcp, self.vae_alarm

    def needs(self) -> Needs:
        """The needs of both methods."""
        return self.synthcp.needs() | self.vae_alarm.needs()

    def fit_on(self) -> FitOn:
        """Out-of-fold predictions: what learns from failures needs failures as on new images."""
        return FitOn.out_of_fold(self.needs())

    def fit_key(self) -> dict[str, Any]:
        """The keys of both methods."""
        return {"synthcp": self.synthcp.fit_key(), "vae_alarm": self.vae_alarm.fit_key()}

    def skip(self, dataset: DatasetInfo) -> str | None:
        """Skip where one of the two methods is skipped."""
        return self.synthcp.skip(dataset) or self.vae_alarm.skip(dataset)

    def fit(self, pairs: Pairs, context: Context) -> None:
        """Fit both methods."""
        self.synthcp.fit(pairs, context)
        self.vae_alarm.fit(pairs, context)

    def save(self, folder: Path) -> None:
        """Write what each method learned to a sub-folder of its own."""
        for name, part in zip(FOLDERS, self.parts(), strict=True):
            (folder / name).mkdir()
            part.save(folder / name)

    def load(self, folder: Path, context: Context) -> None:
        """Read what each method learned."""
        for name, part in zip(FOLDERS, self.parts(), strict=True):
            part.load(folder / name, context)

    def score(self, batch: Sequence[Item], context: Context) -> list[Scores]:
        """Average the two qualities. The synthesized image is shown."""
        both = zip(self.synthcp.score(batch, context), self.vae_alarm.score(batch, context), strict=True)
        return [_mean_quality(synthcp, vae_alarm) for synthcp, vae_alarm in both]


def _mean_quality(synthcp: Scores, vae_alarm: Scores) -> Scores:
    assert synthcp.quality is not None
    assert vae_alarm.quality is not None
    return Scores(quality=(synthcp.quality + vae_alarm.quality) / 2, shown=synthcp.shown)
