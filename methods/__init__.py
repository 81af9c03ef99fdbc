"""The methods that the benchmark compares, one file or folder each. Add yours to `register_methods`."""

from ..benchmark.interfaces import Task
from ..benchmark.plugins.hookspecs import hookimpl
from ..benchmark.plugins.registry import Register

ALL_TASKS = tuple(Task)
PIXEL_TASKS = (Task.PIXEL_FAILURE, Task.ANOMALY)
IMAGES_AND_VOLUMES = (2, 3)


@hookimpl
def register_methods(register: Register) -> None:
    """Register the built-in methods."""
    register(
        "msp",
        f"{__name__}.msp:MSP",
        summary="The maximum softmax probability, negated.",
        tasks=ALL_TASKS,
        ndims=IMAGES_AND_VOLUMES,
    )
    register(
        "entropy",
        f"{__name__}.entropy:Entropy",
        summary="The entropy of the softmax. For image-failure, a regression from it is trained.",
        tasks=ALL_TASKS,
        trains=True,
        ndims=IMAGES_AND_VOLUMES,
    )
    register(
        "maxlogit",
        f"{__name__}.maxlogit:MaxLogit",
        summary="The maximum logit, negated. For image-failure, a regression from it is trained.",
        tasks=ALL_TASKS,
        trains=True,
        ndims=IMAGES_AND_VOLUMES,
    )
    register(
        "energy",
        f"{__name__}.energy:Energy",
        summary="The free energy of the logits. For image-failure, a regression from it is trained.",
        tasks=ALL_TASKS,
        trains=True,
        ndims=IMAGES_AND_VOLUMES,
    )
    register(
        "ae",
        f"{__name__}.ae:AE",
        summary="The l1 error with which an autoencoder of training images rebuilds the image.",
        tasks=PIXEL_TASKS,
        trains=True,
        ndims=IMAGES_AND_VOLUMES,
    )
    register(
        "msp-crf",
        f"{__name__}.msp_crf.method:MSPCRF",
        summary="One minus the maximum probability of a softmax refined by a CRF. Needs the extra crf.",
        tasks=PIXEL_TASKS,
    )
    register(
        "standardized-maxlogit",
        f"{__name__}.standardized_maxlogit:StandardizedMaxLogit",
        summary="The maximum logit, standardised over training pixels of the predicted class and negated.",
        tasks=PIXEL_TASKS,
        trains=True,
        ndims=IMAGES_AND_VOLUMES,
    )
    register(
        "mahalanobis",
        f"{__name__}.mahalanobis:Mahalanobis",
        summary="The Mahalanobis distance of a pixel's features to the nearest class of the training data.",
        tasks=PIXEL_TASKS,
        trains=True,
        ndims=IMAGES_AND_VOLUMES,
    )
    register(
        "knn",
        f"{__name__}.knn:KNN",
        summary="The distance of a pixel's normalised features to their k-th nearest training features.",
        tasks=PIXEL_TASKS,
        trains=True,
        ndims=IMAGES_AND_VOLUMES,
    )
    register(
        "mcdropout",
        f"{__name__}.mcdropout:MCDropout",
        summary="Uncertainty over passes with dropout on. For image-failure, a regression is trained.",
        tasks=ALL_TASKS,
        trains=True,
        ndims=IMAGES_AND_VOLUMES,
    )
    register(
        "jungo",
        f"{__name__}.jungo:Jungo",
        summary="Entropy over passes with dropout on. For image-failure, a regression from it is trained.",
        tasks=ALL_TASKS,
        trains=True,
        ndims=IMAGES_AND_VOLUMES,
    )
    register(
        "kwon",
        f"{__name__}.kwon:Kwon",
        summary="Variance over passes with dropout on. For image-failure, a regression from it is trained.",
        tasks=ALL_TASKS,
        trains=True,
        ndims=IMAGES_AND_VOLUMES,
    )
    register(
        "tcp",
        f"{__name__}.tcp:TCP",
        summary="The probability of the true class, predicted by a branch on the segmenter's features.",
        tasks=PIXEL_TASKS,
        trains=True,
    )
    register(
        "ensemble",
        f"{__name__}.ensemble:Ensemble",
        summary="Uncertainty over segmenters of several seeds (deep ensemble).",
        tasks=ALL_TASKS,
        ndims=IMAGES_AND_VOLUMES,
    )
    register(
        "direct-prediction",
        f"{__name__}.direct_prediction:DirectPrediction",
        summary="A network predicts failures from image and segmentation: SynthCP without the synthesis.",
        tasks=ALL_TASKS,
        trains=True,
        ndims=IMAGES_AND_VOLUMES,
    )
    register(
        "vae-alarm",
        f"{__name__}.vae_alarm.method:VAEAlarm",
        summary="Quality is regressed from how well a VAE of true label maps rebuilds the prediction.",
        tasks=(Task.IMAGE_FAILURE,),
        trains=True,
        ndims=IMAGES_AND_VOLUMES,
    )
    register(
        "synthcp",
        f"{__name__}.synthcp.method:SynthCP",
        summary="A cGAN synthesizes an image from the segmentation, which is compared with the real one.",
        tasks=ALL_TASKS,
        trains=True,
        ndims=IMAGES_AND_VOLUMES,
    )
    register(
        "synthcp-vae",
        f"{__name__}.synthcp_vae:SynthCPVAE",
        summary="The mean of the qualities that synthcp and vae-alarm predict.",
        tasks=(Task.IMAGE_FAILURE,),
        trains=True,
        ndims=IMAGES_AND_VOLUMES,
    )
    register(
        "ensemble-agreement",
        f"{__name__}.ensemble_agreement:EnsembleAgreement",
        summary="Quality is the overlap of the segmentations of an ensemble's members.",
        tasks=(Task.IMAGE_FAILURE,),
        ndims=IMAGES_AND_VOLUMES,
    )
