"""Weights of networks: checkpoint files, pretrained weights, and the names that published files use."""
