"""Backbones, heads and losses that mmsegmentation lacks, registered with it."""
