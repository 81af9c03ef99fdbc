"""SynthCP (Xia et al., ECCV 2020): alarms from the image that is synthesized from the prediction."""
