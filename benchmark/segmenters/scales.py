"""Images at several scales, as StreetHazards' segmenter is tested."""

STREET_SCALES = (300, 375, 450, 525, 600)
"""Short sides of StreetHazards' images, in training and for the averaged test."""
