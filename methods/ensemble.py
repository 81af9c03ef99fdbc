"""Deep ensembles (Lakshminarayanan, Pritzel and Blundell, NeurIPS 2017): segmenters of several seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from ..benchmark.interfaces import (
    Config,
    Context,
    DatasetInfo,
    Item,
    Method,
    MonteCarlo,
    Needs,
    Preset,
    Protocol,
    Scores,
    Task,
)
from .building_blocks.structures import Aggregator, mean_confidence
from .mcdropout import uncertainty


class MembersConfig(Config):
    """Hyper-parameters of a method that reads an ensemble.

    Attributes:
        members: number of segmenters, the tested one included.
    """

    members: int = Field(3, ge=2)


class EnsembleMethod(Method):
    """The base class of methods whose score is computed from the predictions of an ensemble's members."""

    Config = MembersConfig
    config: MembersConfig

    @classmethod
    def defaults(cls, preset: Preset, protocol: Protocol, dataset: DatasetInfo) -> dict[str, Any]:
        """Two members, the fewest possible, at `smoke` and, on miniature data, at `small`."""
        fewest = preset is Preset.SMOKE or (preset is Preset.SMALL and dataset.miniature)
        return {"members": 2} if fewest else {}

    def needs(self) -> Needs:
        """The softmax of each member."""
        return Needs(ensemble=self.config.members)

    def members_of(self, item: Item) -> Tensor:
        """The softmax of the configured number of members, float32 (M, L, *spatial)."""
        assert item.prediction.members is not None
        return item.prediction.members[: self.config.members]


class EnsembleConfig(MembersConfig):
    """Hyper-parameters.

    Attributes:
        statistic: the score of a pixel, see `uncertainty`.
        aggregator: the pixels over which the confidence is averaged for the quality of a class.
    """

    statistic: Literal["entropy", "mutual-information", "variance"] = "entropy"
    aggregator: Aggregator = "structure"


class Ensemble(EnsembleMethod):
    """The score of a pixel is the uncertainty over the members of an ensemble.

    The quality of a class is the members' mean probability of the class over its pixels. The failures to find
    are those of the tested segmenter alone, the first member.
    """

    Config = EnsembleConfig
    config: EnsembleConfig

    def score(self, batch: Sequence[Item], context: Context) -> list[Scores]:
        """Compute the configured statistic. The confidence is the mean probability of the predicted class."""
        return [self._score_item(item) for item in batch]

    def _score_item(self, item: Item) -> Scores:
        statistics = member_statistics(self.members_of(item))
        mean, labels = statistics.mean, item.prediction.labels
        confidence = mean.gather(0, labels[None])[0].clamp(0, 1)
        if self.task is Task.IMAGE_FAILURE:
            return Scores(quality=mean_confidence(confidence, labels, len(mean), self.config.aggregator))
        pixel = uncertainty(mean, statistics, self.config.statistic)
        return Scores(pixel=pixel.cpu().numpy(), confidence=confidence.cpu().numpy())


def member_statistics(members: Tensor) -> MonteCarlo:
    """Statistics over the softmax of the members, float32 (M, L, *spatial), with each member as a pass."""
    entropy = torch.special.entr(members).sum(dim=1).mean(dim=0)  # 1/M Σ_m H(p_m)
    return MonteCarlo(len(members), members.mean(dim=0), entropy, members.square().mean(dim=0))
