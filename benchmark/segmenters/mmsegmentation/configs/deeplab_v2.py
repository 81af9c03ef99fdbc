"""DeepLab-v2 on ResNet-101, which SynthCP's text names: the sum of four dilated classifiers."""

_base_ = "deeplab.py"

model = dict(
    decode_head=dict(
        _delete_=True,
        type="ASPPSumHead",
        in_channels=2048,
        in_index=3,
        channels=2048,
        dilations=(6, 12, 18, 24),
        dropout_ratio=0.1,
        num_classes=19,
        align_corners=True,
        loss_decode=dict(type="CrossEntropyLoss", avg_non_ignore=True, loss_weight=1.0),
    ),
)
