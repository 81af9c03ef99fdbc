"""Data sets on this machine: finding and downloading their folders, selecting and reading their samples."""
