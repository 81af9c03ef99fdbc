"""VAE alarm (Liu et al., ICCV 2019): a model of true shapes rebuilds a bad segmentation badly."""
