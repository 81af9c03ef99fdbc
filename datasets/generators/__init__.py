"""Generators of data sets: street scenes, and volumes with organs. The same seed gives the same files."""
