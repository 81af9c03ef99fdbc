"""Segmenters of volumes."""
