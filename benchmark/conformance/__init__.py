"""The conformance kit: does a plugin do what its interface says? Import it from `segalarm.testing`."""
