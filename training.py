"""Trains the networks of your own methods and segmenters: one resumable loop, its objectives and schedules.

A method trains a network in its `fit`, which receives the run's `Context`. Here a network of two layers
learns to tell labelled pixels from void:

    import torch
    from segalarm.training import Objective, poly, seed_everything, train

    def fit(self, pairs, context):
        samples = context.train

        def batches(number):  # a function of the number alone: a killed training resumes exactly
            sample = samples[number % len(samples)]
            return sample.image[None], (sample.truth.label != VOID)[None, None].astype("float32")

        def losses(batch, step):
            images, labelled = batch  # tensors on the run's device
            return {"bce": torch.nn.functional.binary_cross_entropy_with_logits(network(images), labelled)}

        seed_everything(context.seed)
        network = torch.nn.Sequential(
            torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(8, 1, 1)
        )
        optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
        objective = Objective(optimizer, losses, schedule=poly(steps=500, warmup=20))
        train("labelled pixels", {"network": network}, [objective], batches, 500, context)
        self.network = network.eval()
"""

from .benchmark.training import Objective, Schedule, constant, poly, seed_everything, train

__all__ = ["Objective", "Schedule", "constant", "poly", "seed_everything", "train"]
