"""The run of a plan: networks are trained, methods tuned and fitted, test images scored, records written."""
