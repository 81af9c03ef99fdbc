"""One convolution and a classifier on a dilated ResNet-101, with deep supervision."""

_base_ = "resnet50dilated_c1.py"

model = dict(backbone=dict(depth=101))
