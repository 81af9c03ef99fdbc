"""The run that a plugin works in, for tests of one plugin alone."""

from segalarm.benchmark.interfaces import Context


def bare_context(folder, info, **more):
    """A context on the CPU with neither training samples, segmenter nor artifacts, unless `more` has them."""
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
