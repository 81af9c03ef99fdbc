"""VAE alarm (Liu et al., ICCV 2019): what a model of true shapes cannot rebuild is a bad segmentation."""
