"""Weights of networks as files: checkpoints, and pretrained weights on this machine."""
