"""The training loop that every network of the project is trained by."""
