"""Run `bench` as `python -m segalarm`."""

from .cli import main

main()
