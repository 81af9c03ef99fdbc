"""Monte-Carlo dropout: switches dropout on at inference, and computes statistics over stochastic passes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ..interfaces import MonteCarlo


def stable_seed(seed: int, key: str) -> int:
    """Derive a 63-bit seed from the run's seed and a sample's key, the same on every machine."""
    digest = hashlib.sha256(f"{seed}:{key}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def active_dropouts(network: nn.Module) -> list[tuple[str, nn.Module]]:
    """List path and module of the dropout that acts in stochastic passes.

    Dropout in auxiliary heads is left out, which only training uses, and so is stochastic depth.
    """
    return [
        (name, module)
        for name, module in network.named_modules()
        if isinstance(module, nn.modules.dropout._DropoutNd)
        and module.p > 0
        and not name.startswith("auxiliary_head")
    ]


@contextmanager
def dropout_on(modules: Collection[nn.Module], device: torch.device, seed: int) -> Iterator[None]:
    """Switch the given dropout modules on during the body of the `with` statement.

    The dropout draws from the global generator, which is seeded with `seed` and restored afterwards. All
    other modules stay in evaluation mode: batch norm uses its running statistics.
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
    """Compute statistics over the first n passes, for every n in `passes`. No pass is kept.

    Args:
        draw: A function that makes one pass. It returns the softmax, float32 (L, *spatial), and the logits of
            the same shape, or None where there are no logits.
        passes: Numbers of passes.

    Returns:
        Number of passes -> statistics.
    """
    results: dict[int, MonteCarlo] = {}
    probability, logits = draw()
    total, square = torch.zeros_like(probability), torch.zeros_like(probability)
    entropy = torch.zeros_like(probability[0])
    logits_total = None if logits is None else torch.zeros_like(logits)
    for done in range(1, max(passes) + 1):
        if done > 1:
            probability, logits = draw()
        total += probability
        square.addcmul_(probability, probability)
        # entr(p) = -p log p, and 0 at 0.
        entropy += torch.special.entr(probability).sum(dim=0)
        if logits_total is not None and logits is not None:
            logits_total += logits
        if done in passes:
            mean_logits = None if logits_total is None else logits_total / done
            results[done] = MonteCarlo(done, total / done, entropy / done, square / done, mean_logits)
    return results
