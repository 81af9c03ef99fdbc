"""The parts of a generated street scene: the canvas, what is painted on it, and its photograph."""
