"""The comparison module of SynthCP for failures (Section 3.2): a siamese network on x, x̂ and ŷ."""
