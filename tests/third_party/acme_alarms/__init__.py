"""What somebody else's plugin looks like: a method, a data set and a command."""
