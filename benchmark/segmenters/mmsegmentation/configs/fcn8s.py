"""FCN-8s on VGG-16, with the normalisation of SynthCP's published code."""

model = dict(
    type="EncoderDecoder",
    data_preprocessor=dict(
        type="SegDataPreProcessor", mean=[123.675, 116.79, 104.04], std=[1.0, 1.0, 1.0], bgr_to_rgb=True
    ),
    backbone=dict(type="VGG16Pools"),
    decode_head=dict(
        type="FCN8sHead",
        dropout_ratio=0.5,
        num_classes=19,
        align_corners=False,
        loss_decode=dict(type="CrossEntropyLoss", avg_non_ignore=True, loss_weight=1.0),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode="whole"),
)
