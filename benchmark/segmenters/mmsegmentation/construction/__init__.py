"""From the name of an mmsegmentation config to a network for the classes of a data set."""
