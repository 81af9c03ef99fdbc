"""Segmenters of volumes: they train on patches, and predict with a window that slides over the volume."""
