"""Striped pictures, one .npz each, with red squares as anomalies in the test split."""

from functools import partial

import numpy as np
from segalarm import VOID, BenchError, Dataset, DatasetInfo, Preset, Sample, Task, Truth

SIZE = (64, 96)


class Stripes(Dataset):
    info = DatasetInfo(
        name="stripes",
        summary="striped pictures",
        revision="1",
        tasks=(Task.ANOMALY,),
        classes=("dark", "light"),
        palette=((60, 60, 60), (200, 200, 200)),
        splits={"train": 6, "test": 4},
        licence="CC0",
        citation="none",
        source="made by acme",
        layout="train/*.npz and test/*.npz",
        default_preset=Preset.SMOKE,
    )

    def prepare(self):
        if not (self.root / "train").is_dir():
            raise BenchError(f"{self.root} holds no folder 'train': expected {self.info.layout}")

    def samples(self, split):
        return Files(sorted((self.root / split).glob("*.npz")))

    @classmethod
    def toy(cls, folder):
        rng = np.random.default_rng(0)
        for split, count in cls.info.splits.items():
            (folder / split).mkdir(parents=True)
            for number in range(count):
                label = np.zeros(SIZE, np.uint8)
                label[:, (np.arange(SIZE[1]) // rng.integers(6, 20)) % 2 == 0] = 1
                image = np.where(label, 200, 60)[None] + rng.normal(0, 10, (3, *SIZE))
                anomaly = np.zeros(SIZE, bool)
                if split == "test":
                    top, left = rng.integers(0, 40, 2)
                    anomaly[top : top + 12, left : left + 12] = True
                    image[:, anomaly] = np.array([[220], [40], [40]])
                np.savez(
                    folder / split / f"{number}.npz",
                    image=image.clip(0, 255).astype(np.uint8),
                    label=label,
                    anomaly=anomaly,
                )
        return cls(folder)


class Files:
    def __init__(self, files):
        self.files = files

    def __len__(self):
        return len(self.files)

    def __getitem__(self, index):
        file = self.files[index]
        key = f"{file.parent.name}/{file.stem}"
        return Sample(key, partial(read_image, file), partial(read_truth, file))


def read_image(file):
    return read(file, "image").astype(np.float32) / 255


def read_truth(file):
    anomaly = read(file, "anomaly")
    label = np.where(anomaly, VOID, read(file, "label")).astype(np.int64)
    return Truth(label, anomaly, np.ones(label.shape, bool))


def read(file, name):
    try:
        with np.load(file) as arrays:
            return arrays[name]
    except Exception as error:
        raise BenchError(f"{file} cannot be read: {error}") from error
