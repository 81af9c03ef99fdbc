"""Metrics of a whole data set from one image at a time: states that are updated, merged and stored."""
