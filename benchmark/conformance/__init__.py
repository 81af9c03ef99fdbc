"""The conformance kit: checks that every plugin must pass."""
