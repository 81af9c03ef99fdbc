"""The synthesis module of SynthCP (Section 3.1): a conditional GAN from label maps to images, x̂ = G(ŷ)."""
