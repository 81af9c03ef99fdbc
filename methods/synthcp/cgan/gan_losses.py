"""The losses of SPADE's training (Park et al., CVPR 2019, Section 4), on outputs of `Discriminator`.

Real and fake outputs are lists over scales; a scale is the list of the layers' outputs D_i, the patch logits
D last. E is the mean over images and patches.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor


def discriminator_hinge(real: Sequence[Sequence[Tensor]], fake: Sequence[Sequence[Tensor]]) -> Tensor:
    """The hinge loss of the discriminator, mean over scales (Lim and Ye, 2017).

    E[max(0, 1 - D(real))] + E[max(0, 1 + D(fake))]
    """
    return _mean(
        [F.relu(1 - r[-1]).mean() + F.relu(1 + f[-1]).mean() for r, f in zip(real, fake, strict=True)]
    )


def generator_hinge(fake: Sequence[Sequence[Tensor]]) -> Tensor:
    """The hinge loss of the generator, -E[D(fake)], mean over scales."""
    return _mean([-f[-1].mean() for f in fake])


def feature_matching(
    fake: Sequence[Sequence[Tensor]], real: Sequence[Sequence[Tensor]], weight: float = 1.0
) -> Tensor:
    """The feature-matching loss, mean over scales (Wang et al., CVPR 2018, Eq. 4).

    weight · Σ_i E|D_i(fake) - D_i(real)|, where i runs over the layers before the logits. `real` gets no
    gradient. SPADE's weight is 10.
    """
    scales = []
    for of_fake, of_real in zip(fake, real, strict=True):
        layers = zip(of_fake[:-1], of_real[:-1], strict=True)
        scales.append(sum((F.l1_loss(f, r.detach()) for f, r in layers), of_fake[-1].new_zeros(())))
    return weight * _mean(scales)


def _mean(scales: Sequence[Tensor]) -> Tensor:
    return sum(scales, scales[0].new_zeros(())) / len(scales)
