"""Parts that several methods share. No file in this folder is a method."""
