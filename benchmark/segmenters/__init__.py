"""The built-in segmenters: networks for images, built with mmsegmentation, and networks for volumes."""

from ..plugins.hookspecs import hookimpl
from ..plugins.registry import Register

_ADAPTER = f"{__name__}.mmsegmentation.adapter"
_SMALL = f"{__name__}.mmsegmentation.small_networks"
_PAPER = f"{__name__}.mmsegmentation.paper_networks"
_VOLUMES = f"{__name__}.volumetric"


@hookimpl
def register_segmenters(register: Register) -> None:
    """Register the built-in segmenters."""
    register("lite0", f"{_SMALL}:Lite0", summary="EfficientNet-Lite0 with ImageNet weights and an MLP head")
    register("ddrnet", f"{_SMALL}:DDRNet", summary="DDRNet-23-slim with dropout, for two CPU cores")
    register("segformer", f"{_SMALL}:SegFormer", summary="SegFormer with MiT-B0")
    register("deeplabv3plus-r18", f"{_SMALL}:DeepLabV3Plus", summary="DeepLabV3+ with ResNet-18")
    register("fcn8s", f"{_PAPER}:FCN8s", summary="FCN-8s on VGG-16, of Table 1")
    register(
        "deeplab",
        f"{_PAPER}:DeepLab",
        summary="DeepLab on ResNet-101 as in the published code, of Table 1",
    )
    register(
        "deeplab-v2",
        f"{_PAPER}:DeepLabV2",
        summary="DeepLab-v2 on ResNet-101, which Table 1 names",
    )
    register("pspnet", f"{_PAPER}:PSPNet", summary="PSPNet on ResNet-50, tested at five scales, of Table 3")
    register("pspnet-resnet101", f"{_PAPER}:PSPNet101", summary="PSPNet on ResNet-101, tested at five scales")
    register("c1-resnet50", f"{_PAPER}:C1ResNet50", summary="one convolution on a dilated ResNet-50")
    register(
        "c1-resnet101",
        f"{_PAPER}:C1ResNet101",
        summary="one convolution on a dilated ResNet-101",
    )
    register(
        "mmseg",
        f"{_ADAPTER}:MMSegmenter",
        summary="any mmsegmentation config: --set mmseg.config=NAME",
    )
    register(
        "unet3d", f"{_VOLUMES}.unet3d:UNet3DSegmenter", summary="small 3-D U-Net with dropout", ndims=(3,)
    )
    register(
        "ah-net",
        f"{_VOLUMES}.ahnet:AHNetSegmenter",
        summary="AH-Net, of Table 2, in MONAI's implementation",
        ndims=(3,),
    )
