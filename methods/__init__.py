"""The methods that the benchmark compares, one file or folder each. Add yours to `register_methods`."""

from ..benchmark.interfaces import Task
from ..benchmark.plugins.hookspecs import hookimpl
from ..benchmark.plugins.registry import Register

PIXEL = (Task.PIXEL_FAILURE, Task.ANOMALY)


@hookimpl
def register_methods(register: Register) -> None:
    """Register the built-in methods."""
    both = (2, 3)
    register(
        "msp",
        f"{__name__}.msp:MSP",
        summary="Maximum softmax probability",
        tasks=tuple(Task),
        ndims=both,
    )
    register(
        "entropy",
        f"{__name__}.entropy:Entropy",
        summary="Entropy of the softmax (image-failure needs training)",
        tasks=tuple(Task),
        trains=True,
        ndims=both,
    )
    register(
        "maxlogit",
        f"{__name__}.maxlogit:MaxLogit",
        summary="Maximum logit (image-failure needs training)",
        tasks=tuple(Task),
        trains=True,
        ndims=both,
    )
    register(
        "energy",
        f"{__name__}.energy:Energy",
        summary="Free energy of the logits (image-failure needs training)",
        tasks=tuple(Task),
        trains=True,
        ndims=both,
    )
    register(
        "ae",
        f"{__name__}.ae:AE",
        summary="Autoencoder of training images: l1 error of what it rebuilds",
        tasks=PIXEL,
        trains=True,
        ndims=both,
    )
    register(
        "msp-crf",
        f"{__name__}.msp_crf.method:MSPCRF",
        summary="Maximum probability after a dense CRF on the softmax (needs the extra crf)",
        tasks=PIXEL,
    )
    register(
        "standardized-maxlogit",
        f"{__name__}.standardized_maxlogit:StandardizedMaxLogit",
        summary="Maximum logit, standardised over the training pixels of its class",
        tasks=PIXEL,
        trains=True,
        ndims=both,
    )
    register(
        "mahalanobis",
        f"{__name__}.mahalanobis:Mahalanobis",
        summary="Mahalanobis distance of features to the nearest class of training",
        tasks=PIXEL,
        trains=True,
        ndims=both,
    )
    register(
        "knn",
        f"{__name__}.knn:KNN",
        summary="Distance of normalised features to their k-th nearest of training",
        tasks=PIXEL,
        trains=True,
        ndims=both,
    )
    register(
        "mcdropout",
        f"{__name__}.mcdropout:MCDropout",
        summary="Monte-Carlo dropout: uncertainty over stochastic passes (image-failure needs training)",
        tasks=tuple(Task),
        trains=True,
        ndims=both,
    )
    register(
        "jungo",
        f"{__name__}.jungo:Jungo",
        summary="Entropy over stochastic passes; its mean over a structure for the quality (needs training)",
        tasks=tuple(Task),
        trains=True,
        ndims=both,
    )
    register(
        "kwon",
        f"{__name__}.kwon:Kwon",
        summary="Variance over stochastic passes; its mean over a structure for the quality (needs training)",
        tasks=tuple(Task),
        trains=True,
        ndims=both,
    )
    register(
        "tcp",
        f"{__name__}.tcp:TCP",
        summary="True class probability, regressed by a confidence branch on the segmenter's features",
        tasks=PIXEL,
        trains=True,
    )
    register(
        "ensemble",
        f"{__name__}.ensemble:Ensemble",
        summary="Deep ensemble: uncertainty over segmenters of several seeds",
        tasks=tuple(Task),
        ndims=both,
    )
    register(
        "direct-prediction",
        f"{__name__}.direct_prediction:DirectPrediction",
        summary="Failures regressed from image and segmentation: SynthCP without the synthesized image",
        tasks=tuple(Task),
        trains=True,
        ndims=both,
    )
    register(
        "vae-alarm",
        f"{__name__}.vae_alarm.method:VAEAlarm",
        summary="Quality regressed from how well a VAE of ground-truth label maps rebuilds the prediction",
        tasks=(Task.IMAGE_FAILURE,),
        trains=True,
        ndims=both,
    )
    register(
        "synthcp",
        f"{__name__}.synthcp.method:SynthCP",
        summary="Synthesize then compare: cGAN, then feature distance or comparison network",
        tasks=tuple(Task),
        trains=True,
        ndims=both,
    )
    register(
        "synthcp-vae",
        f"{__name__}.synthcp_vae:SynthCPVAE",
        summary="Mean of the qualities that SynthCP and VAE alarm predict",
        tasks=(Task.IMAGE_FAILURE,),
        trains=True,
        ndims=both,
    )
    register(
        "ensemble-agreement",
        f"{__name__}.ensemble_agreement:EnsembleAgreement",
        summary="Quality from how well the segmentations of an ensemble's members overlap, untrained",
        tasks=(Task.IMAGE_FAILURE,),
        ndims=both,
    )
