"""The context of a run, for tests of a single plugin."""

from segalarm.benchmark.interfaces import Context


def bare_context(folder, info, **more):
    """A context on the CPU. Training samples, segmenter and artifacts are missing unless in `more`."""
    facts = {
        "info": info,
        "train": (),
        "device": "cpu",
        "precision": "32-true",
        "seed": 0,
        "workspace": folder,
        "segmenter": None,
        "track": lambda items, description, total: items,
        "artifact": None,
    }
    return Context(**(facts | more))
