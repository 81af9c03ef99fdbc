"""The harness: whatever is neither one method nor one data set."""
