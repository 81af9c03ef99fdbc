"""Generated data: scenes of streets and abdomens with organs."""
