"""Segmenters that mmsegmentation builds from a config."""
