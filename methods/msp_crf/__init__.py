"""Maximum softmax probability after a dense conditional random field."""
