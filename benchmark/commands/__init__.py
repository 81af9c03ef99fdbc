"""The commands of `bench`, one module a command."""
