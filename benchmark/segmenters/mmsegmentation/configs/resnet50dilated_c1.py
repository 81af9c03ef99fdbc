"""One convolution and a classifier on a dilated ResNet-50, with deep supervision."""

_base_ = "resnet50dilated_ppm.py"

model = dict(
    decode_head=dict(
        _delete_=True,
        type="FCNHead",
        in_channels=2048,
        in_index=3,
        channels=512,
        num_convs=1,
        concat_input=False,
        dropout_ratio=0.1,
        num_classes=13,
        norm_cfg=dict(type="SyncBN", requires_grad=True),
        align_corners=False,
        loss_decode=dict(type="CrossEntropyLoss", avg_non_ignore=True, loss_weight=1.0),
    ),
)
