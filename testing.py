"""For authors of plugins: the conformance kit, to be run in their own tests."""

from .benchmark.conformance.checks import Check, NonconformingError, checks

__all__ = ["Check", "NonconformingError", "checks"]
