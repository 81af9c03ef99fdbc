"""The training loop of every network in the project, and the parts that it is called with."""

from .loop import Objective, train
from .random_state import seed_everything
from .schedules import Schedule, constant, poly

__all__ = ["Objective", "Schedule", "constant", "poly", "seed_everything", "train"]
