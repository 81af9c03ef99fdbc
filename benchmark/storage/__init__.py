"""What is kept on disk: artifacts of the workspace, records, and the hash of code that both depend on."""
