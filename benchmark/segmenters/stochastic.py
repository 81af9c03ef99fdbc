"""Monte-Carlo dropout: statistics over stochastic passes, streamed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ..interfaces import MonteCarlo


def stable_seed(seed: int, key: str) -> int:
    """A 63-bit seed that depends on the run's seed and the sample's key, the same on every machine."""
    digest = hashlib.sha256(f"{seed}:{key}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def active_dropouts(network: nn.Module) -> list[tuple[str, nn.Module]]:
    """The dropout modules that act at inference: no auxiliary head's, no stochastic depth."""
    return [
        (name, module)
        for name, module in network.named_modules()
        if isinstance(module, nn.modules.dropout._DropoutNd)
        and module.p > 0
        and not name.startswith("auxiliary_head")
    ]


@contextmanager
def dropout_on(modules: Collection[nn.Module], device: torch.device, seed: int) -> Iterator[None]:
    """The given modules drop, from a generator seeded anew; the global one is put back afterwards.

    Everything else stays as it is: batch norm keeps its running statistics.
    """
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        try:
            for module in modules:
                module.train()
            yield
        finally:
            for module in modules:
                module.eval()


def statistics(
    draw: Callable[[], tuple[Tensor, Tensor | None]], passes: Collection[int]
) -> dict[int, MonteCarlo]:
    """Statistics over the first n draws, for every n in `passes`.

    Args:
        draw: a softmax, float32 (L, *spatial), and the logits that it is of, or None where there are none.
        passes: numbers of passes.
    """
    found: dict[int, MonteCarlo] = {}
    probability, logits = draw()
    total, square = torch.zeros_like(probability), torch.zeros_like(probability)
    entropy = torch.zeros_like(probability[0])
    summed = None if logits is None else torch.zeros_like(logits)
    for done in range(1, max(passes) + 1):
        if done > 1:
            probability, logits = draw()
        total += probability
        square.addcmul_(probability, probability)
        # entr(p) = -p log p, and 0 at 0.
        entropy += torch.special.entr(probability).sum(dim=0)
        if summed is not None and logits is not None:
            summed += logits
        if done in passes:
            mean = None if summed is None else summed / done
            found[done] = MonteCarlo(done, total / done, entropy / done, square / done, mean)
    return found
