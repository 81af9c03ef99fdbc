"""Scores meet the ground truth here, and nowhere else."""
