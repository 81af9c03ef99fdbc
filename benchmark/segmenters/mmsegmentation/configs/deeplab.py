"""The network that SynthCP's published code calls DeepLab: ResNet-101 with five branches of atrous pooling.

Dropout acts before the classifier. The published code has this dropout, too, but in a mode that none of its
scripts uses.
"""

_norm = dict(type="BN", requires_grad=False)  # only the running statistics change
_head_norm = dict(type="BN", eps=3e-4, requires_grad=True)

model = dict(
    type="EncoderDecoder",
    data_preprocessor=dict(
        type="SegDataPreProcessor", mean=[123.675, 116.79, 104.04], std=[1.0, 1.0, 1.0], bgr_to_rgb=True
    ),
    backbone=dict(
        type="CeilResNet",
        depth=101,
        num_stages=4,
        out_indices=(0, 1, 2, 3),
        strides=(1, 2, 1, 1),
        dilations=(1, 1, 2, 4),
        style="caffe",
        norm_cfg=_norm,
        zero_init_residual=False,  # 0 would switch the branch off for good: the norm does not learn
    ),
    decode_head=dict(
        type="PointwiseASPPHead",
        in_channels=2048,
        in_index=3,
        channels=256,
        dilations=(1, 6, 12, 18),
        dropout_ratio=0.5,
        num_classes=19,
        norm_cfg=_head_norm,
        align_corners=True,
        loss_decode=dict(type="CrossEntropyLoss", avg_non_ignore=True, loss_weight=1.0),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode="whole"),
)
