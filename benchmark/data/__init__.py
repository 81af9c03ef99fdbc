"""Data sets on this machine: where they lie, how they are downloaded, how their samples are read ahead."""
