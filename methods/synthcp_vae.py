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
from .synthcp.method import SynthCP, SynthCPConfig
from .vae_alarm.method import VAEAlarm, VAEAlarmConfig

FOLDERS = "synthcp", "vae-alarm"
"""Where each part keeps what it learned."""


class SynthCPVAEConfig(Config):
    """Hyper-parameters of both."""

    synthcp: SynthCPConfig = SynthCPConfig()
    vae_alarm: VAEAlarmConfig = VAEAlarmConfig()


class SynthCPVAE(Method):
    """What x̂ shows of the image and what the VAE knows of shapes complement each other.

    Networks are artifacts that it shares with the two methods alone.
    """

    Config = SynthCPVAEConfig
    config: SynthCPVAEConfig

    def __init__(self, config: SynthCPVAEConfig, task: Task) -> None:
        super().__init__(config, task)
        self.synthcp = SynthCP(config.synthcp, task)
        self.vae_alarm = VAEAlarm(config.vae_alarm, task)

    @classmethod
    def defaults(cls, preset: Preset, protocol: Protocol, dataset: DatasetInfo) -> dict[str, Any]:
        """Each has its own."""
        return {
            "synthcp": SynthCP.defaults(preset, protocol, dataset),
            "vae_alarm": VAEAlarm.defaults(preset, protocol, dataset),
        }

    def parts(self) -> Sequence[Method]:
        """SynthCP and the alarm of the VAE."""
        return self.synthcp, self.vae_alarm

    def needs(self) -> Needs:
        """What either reads."""
        return self.synthcp.needs() | self.vae_alarm.needs()

    def fit_on(self) -> FitOn:
        """Predictors of failure need real failures; both parts learn from what they score by."""
        return FitOn.out_of_fold(self.needs())

    def fit_key(self) -> dict[str, Any]:
        """Both keys."""
        return {"synthcp": self.synthcp.fit_key(), "vae_alarm": self.vae_alarm.fit_key()}

    def skip(self, dataset: DatasetInfo) -> str | None:
        """Where either has no meaning."""
        return self.synthcp.skip(dataset) or self.vae_alarm.skip(dataset)

    def fit(self, pairs: Pairs, context: Context) -> None:
        """Fit both."""
        self.synthcp.fit(pairs, context)
        self.vae_alarm.fit(pairs, context)

    def save(self, folder: Path) -> None:
        """Each in a folder of its own."""
        for name, part in zip(FOLDERS, self.parts(), strict=True):
            (folder / name).mkdir()
            part.save(folder / name)

    def load(self, folder: Path, context: Context) -> None:
        """Read both."""
        for name, part in zip(FOLDERS, self.parts(), strict=True):
            part.load(folder / name, context)

    def score(self, batch: Sequence[Item], context: Context) -> list[Scores]:
        """The mean of both, with what SynthCP shows."""
        answers = zip(self.synthcp.score(batch, context), self.vae_alarm.score(batch, context), strict=True)
        found = []
        for one, other in answers:
            assert one.quality is not None
            assert other.quality is not None
            found.append(Scores(quality=(one.quality + other.quality) / 2, shown=one.shown))
        return found
