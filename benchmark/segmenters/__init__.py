"""The segmenters: mmsegmentation's models, and the paper's own networks registered with it."""

from segalarm.benchmark.hookspecs import hookimpl
from segalarm.benchmark.plugins import Register

_HERE = "segalarm.benchmark.segmenters"


@hookimpl
def register_segmenters(register: Register) -> None:
    """Add the built-in segmenters."""
    register("lite0", f"{_HERE}.small:Lite0", summary="EfficientNet-Lite0, ImageNet weights, MLP head")
    register("ddrnet", f"{_HERE}.small:DDRNet", summary="DDRNet-23-slim with dropout; fits two CPU cores")
    register("segformer", f"{_HERE}.small:SegFormer", summary="SegFormer with MiT-B0")
    register("deeplabv3plus-r18", f"{_HERE}.small:DeepLabV3Plus", summary="DeepLabV3+ with ResNet-18")
    register(
        "mmseg", f"{_HERE}.mmseg:MMSegmenter", summary="any mmsegmentation config: --set mmseg.config=NAME"
    )
    register("unet3d", f"{_HERE}.unet3d:UNet3DSegmenter", summary="small 3-D U-Net with dropout", ndims=(3,))
    register(
        "ah-net", f"{_HERE}.ahnet:AHNetSegmenter", summary="AH-Net as in Table 2, 3-D; from MONAI", ndims=(3,)
    )
