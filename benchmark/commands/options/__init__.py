"""The options that several commands share, what their texts mean, and the request that they make."""
