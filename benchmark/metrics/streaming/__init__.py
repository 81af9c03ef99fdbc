"""Metrics of a whole data set that arrives image by image: states that are updated, merged and stored."""
