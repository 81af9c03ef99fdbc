"""The published tables as CSV; the project's own records stand beside them in the repository."""
