"""Checkpoints of the reference implementation and of mmsegmentation, converted to this project's form."""
