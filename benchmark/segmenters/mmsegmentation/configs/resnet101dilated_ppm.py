"""PSPNet on a dilated ResNet-101 with deep supervision: the segmenter that SynthCP's text names."""

_base_ = "resnet50dilated_ppm.py"

model = dict(backbone=dict(depth=101))
