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
    """`members`: segmenters, the tested one among them."""

    members: int = Field(3, ge=2)


class OfMembers(Method):
    """A method that reads what the members of an ensemble say."""

    Config = MembersConfig
    config: MembersConfig

    @classmethod
    def defaults(cls, preset: Preset, protocol: Protocol, dataset: DatasetInfo) -> dict[str, Any]:
        """Two, the fewest that are an ensemble, at `smoke` and on miniature data at `small`."""
        fewest = preset is Preset.SMOKE or (preset is Preset.SMALL and dataset.miniature)
        return {"members": 2} if fewest else {}

    def needs(self) -> Needs:
        """The members."""
        return Needs(ensemble=self.config.members)


class EnsembleConfig(MembersConfig):
    """Hyper-parameters.

    Attributes:
        statistic: what is read of their predictions for a pixel, see `uncertainty`.
        aggregator: over what the confidence is averaged for the quality of a class.
    """

    statistic: Literal["entropy", "mutual-information", "variance"] = "entropy"
    aggregator: Aggregator = "structure"


class Ensemble(OfMembers):
    """Score a pixel by the uncertainty over members; a class by their mean confidence in its pixels.

    The errors that it is judged by are those of the tested segmenter alone.
    """

    Config = EnsembleConfig
    config: EnsembleConfig

    def score(self, batch: Sequence[Item], context: Context) -> list[Scores]:
        """Read the configured statistic; the mean probability of the label is the confidence."""
        scores = []
        for item in batch:
            assert item.prediction.members is not None
            found = averaged(item.prediction.members[: self.config.members])
            labels = item.prediction.labels
            right = found.mean.gather(0, labels[None])[0].clamp(0, 1)
            if self.task is Task.IMAGE_FAILURE:
                quality = mean_confidence(right, labels, len(found.mean), self.config.aggregator)
                scores.append(Scores(quality=quality))
            else:
                pixel = uncertainty(found.mean, found, self.config.statistic)
                scores.append(Scores(pixel=pixel.cpu().numpy(), confidence=right.cpu().numpy()))
        return scores


def averaged(members: Tensor) -> MonteCarlo:
    """The members' statistics, as if each were a stochastic pass. float32 (M, L, *spatial)."""
    entropy = torch.special.entr(members).sum(dim=1).mean(dim=0)
    return MonteCarlo(len(members), members.mean(dim=0), entropy, members.square().mean(dim=0))
