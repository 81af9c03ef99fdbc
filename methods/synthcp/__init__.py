"""SynthCP (Xia et al., ECCV 2020): synthesize an image from the prediction, then compare."""
