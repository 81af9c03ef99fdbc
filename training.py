"""For authors of methods and segmenters: the training loop."""

from .benchmark.training.loop import Objective, Schedule, constant, poly, seed_everything, train

__all__ = ["Objective", "Schedule", "constant", "poly", "seed_everything", "train"]
