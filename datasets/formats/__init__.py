"""Readers of file formats that several data sets share: photographs, NIfTI volumes, and their labels."""
