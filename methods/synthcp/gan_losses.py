"""The losses that SPADE (Park et al., CVPR 2019, section 4) trains by, on what `spade.Discriminator` returns.

Each takes a list over scales; a scale is the list of the layers' features, the patch logits D last.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor


def discriminator_hinge(real: Sequence[Sequence[Tensor]], fake: Sequence[Sequence[Tensor]]) -> Tensor:
    """E[max(0, 1 - D(real))] + E[max(0, 1 + D(fake))], mean over scales (Lim and Ye, 2017).

    E is the mean over images and patches.
    """
    return _mean(
        [F.relu(1 - r[-1]).mean() + F.relu(1 + f[-1]).mean() for r, f in zip(real, fake, strict=True)]
    )


def generator_hinge(fake: Sequence[Sequence[Tensor]]) -> Tensor:
    """-E[D(fake)], mean over scales."""
    return _mean([-f[-1].mean() for f in fake])


def feature_matching(
    fake: Sequence[Sequence[Tensor]], real: Sequence[Sequence[Tensor]], weight: float = 1.0
) -> Tensor:
    """L1 distance, weight * sum_i E|D_i(fake) - D_i(real)|, mean over scales (Wang et al., CVPR 2018, eq. 4).

    i runs over the layers before the logits; `real` gets no gradient. SPADE weighs it 10.
    """
    scales = []
    for mine, theirs in zip(fake, real, strict=True):
        layers = zip(mine[:-1], theirs[:-1], strict=True)
        scales.append(sum((F.l1_loss(f, r.detach()) for f, r in layers), mine[-1].new_zeros(())))
    return weight * _mean(scales)


def _mean(scales: Sequence[Tensor]) -> Tensor:
    return sum(scales, scales[0].new_zeros(())) / len(scales)
