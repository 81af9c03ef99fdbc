"""Generates volumes with an organ and a tumour, and writes them as dataset folders in the Decathlon's layout.

What makes a segmenter fail varies from volume to volume: the size, shape and contrast of the tumour, the
noise, and the vessels and nodes beside the organ, which are as bright as the tumour.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ...benchmark.interfaces.errors import ExtraMissingError
from ..formats.decathlon import DecathlonTask
from .generated_folder import Recipe, sign

REVISION = "organs-1"
"""The revision of the drawing code, raised whenever the same seed gives other voxels."""
TOY = Recipe({"train": 7, "test": 3}, (24, 32, 36), generator=REVISION)
"""The recipe of the toys of volume data sets, which the tests read."""
HEALTHY = 25
"""One of so many volumes holds an organ without a tumour."""

FAT, SOFT, ORGAN, VESSEL = -90.0, 20.0, 85.0, 175.0
"""Intensities of tissues in Hounsfield units."""
MR_OFFSET = 300.0
"""The amount that is added to Hounsfield units for an MR, whose intensities are never negative."""

Volume = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Size = tuple[int, int, int]
SmoothNoise = Callable[[float], Volume]
"""Draws a new random field of deviation 1, smoothed by a Gaussian of the given σ in voxels."""


def write(folder: Path, recipe: Recipe, task: DecathlonTask) -> None:
    """Write the dataset folder of a task. The splits share one folder, since the reader splits the cases."""
    for number in range(sum(recipe.splits.values())):
        depth, height, width = recipe.size
        values, label = render(
            (recipe.seed, number),
            (depth, height, width),
            structures=len(task.structures),
            healthy=number % HEALTHY == HEALTHY - 1,
        )
        image = _as_scanned(values, task, (recipe.seed, number))
        name = f"{task.prefix}{number + 1:03d}.nii.gz"
        _save(image.astype(np.int16), folder / "imagesTr" / name, task)
        _save(label, folder / "labelsTr" / name, task)
    sign(folder, recipe)


def render(
    seed: tuple[int, ...], size: Size, structures: int = 2, healthy: bool = False
) -> tuple[Volume, npt.NDArray[np.uint8]]:
    """Render one volume.

    Args:
        seed: fixes everything.
        size: (D, H, W), each at least 16.
        structures: the number of structures. The first is the organ, the others are tumours in it.
        healthy: whether the last structure is missing.

    Returns:
        The intensities in Hounsfield units, float32 (*size), and the labels, uint8 (*size), from 0, the
        background, to `structures`.
    """
    generator = np.random.default_rng(seed)
    smooth = _smooth(generator, size)
    organ = _organ(generator, size, smooth)
    values = np.where(smooth(5.0) > generator.uniform(-0.6, 0.4), SOFT, FAT).astype(np.float32)
    values += 12 * smooth(3.0)
    for _ in range(2):
        values[_vessel(generator, size, smooth) & ~organ] = VESSEL + generator.normal(0, 20)
    tissue = ORGAN + generator.normal(0, 12)
    values[organ] = tissue + 8 * smooth(2.0)[organ]
    label = organ.astype(np.uint8)
    scale = min(size) / 32
    for _ in range(generator.integers(0, 3)):
        node = _blob(generator, organ, generator.uniform(1.5, 3.0) * scale, smooth) & ~organ
        values[node] = VESSEL + generator.normal(0, 20)
    for structure in range(2, structures + 1):
        radius = float(np.clip(generator.lognormal(1.5, 0.35), 2.5, 9.0)) * scale
        tumour = _blob(generator, organ, radius, smooth)
        contrast = generator.uniform(15, 100)
        if healthy and structure == structures:
            continue
        values[tumour] = tissue + contrast + 8 * smooth(1.5)[tumour]
        label[tumour] = structure
    blurred = _filtered(values, generator.uniform(0.4, 0.8))
    noise = generator.uniform(5, 30)
    return blurred + np.float32(noise) * generator.standard_normal(size, np.float32), label


def _smooth(generator: np.random.Generator, size: Size) -> SmoothNoise:
    """Give the function that draws smooth noise of this size."""

    def draw(sigma: float) -> Volume:
        field = _filtered(generator.standard_normal(size, np.float32), sigma)
        return np.asarray(field / field.std(), np.float32)

    return draw


def _filtered(values: Volume, sigma: float) -> Volume:
    from scipy import ndimage

    filtered: Volume = ndimage.gaussian_filter(values, sigma, truncate=2.5)
    return filtered


def _positions(size: Size) -> Volume:
    """The coordinates of the voxels, float32 (3, *size), from -1 to 1 along each axis."""
    axes = [np.linspace(-1, 1, length, dtype=np.float32) for length in size]
    return np.stack(np.meshgrid(*axes, indexing="ij"))


def _organ(generator: np.random.Generator, size: Size, smooth: SmoothNoise) -> Mask:
    """Draw an organ: a bent sausage across the volume that is thicker at one end."""
    bent = _positions(size) + np.stack([0.06 * smooth(4.0) for _ in range(3)])
    turn = generator.uniform(-0.6, 0.6)
    z, y, x = bent
    along = np.cos(turn) * x + np.sin(turn) * y
    across = np.cos(turn) * y - np.sin(turn) * x
    bend, rise = generator.uniform(-0.5, 0.5, 2)
    middle = generator.uniform(-0.15, 0.15, 2)
    thick = generator.uniform(0.28, 0.4) * (1 + generator.uniform(-0.4, 0.4) * along)
    distance = (across - middle[0] - bend * (along**2 - 0.3)) ** 2 + (z - middle[1] - rise * along) ** 2
    inside: Mask = (distance < thick**2) & (np.abs(along) < generator.uniform(0.65, 0.85))
    return inside


def _vessel(generator: np.random.Generator, size: Size, smooth: SmoothNoise) -> Mask:
    """Draw a vessel: a thin tube from the bottom to the top of the volume."""
    z, y, x = _positions(size) + np.stack([0.05 * smooth(4.0) for _ in range(3)])
    place, lean = generator.uniform(-0.7, 0.7, 2), generator.uniform(-0.4, 0.4, 2)
    tube: Mask = (y - place[0] - lean[0] * z) ** 2 + (x - place[1] - lean[1] * z) ** 2 < 0.012
    return tube


def _blob(generator: np.random.Generator, organ: Mask, radius: float, smooth: SmoothNoise) -> Mask:
    """Draw a lump of `radius` voxels around a voxel of the organ. It may grow out of the organ a little."""
    places = np.argwhere(organ)
    if not len(places):
        return np.zeros_like(organ)
    centre = places[generator.integers(len(places))]
    axes = radius * generator.uniform(0.7, 1.3, 3)
    grid = np.indices(organ.shape, np.float32)
    offsets = [(line - at) / axis for line, at, axis in zip(grid, centre, axes, strict=True)]
    distance = sum(offset**2 for offset in offsets) + generator.uniform(0, 0.35) * smooth(1.5)
    lump: Mask = distance < 1
    lump[tuple(centre)] = True
    return lump & (_filtered(organ.astype(np.float32), 1.5) > 0.25)


def _as_scanned(values: Volume, task: DecathlonTask, seed: tuple[int, ...]) -> Volume:
    """Turn Hounsfield units into the image of a scanner, float32 (C, *size).

    A CT keeps its units. An MR has units of its own, and every channel has another contrast.
    """
    if task.window is not None:
        return np.stack([values] * task.channels)
    generator = np.random.default_rng((*seed, 1))
    gains = generator.uniform(0.5, 2.0, task.channels)
    channels = [gain * np.clip(values + MR_OFFSET, 0, None) for gain in gains]
    return np.stack(
        [channel if place % 2 == 0 else channel.max() - channel for place, channel in enumerate(channels)]
    )


def _save(values: npt.NDArray[np.int16] | npt.NDArray[np.uint8], path: Path, task: DecathlonTask) -> None:
    """Write an array (D, H, W) or (C, D, H, W) as a file whose axes point right, to the front and up."""
    try:
        import nibabel
    except ImportError as error:
        raise ExtraMissingError("generating volumes", "medical", "nibabel") from error
    stored = values[..., ::-1, ::-1].T
    if stored.ndim == 4 and stored.shape[3] == 1:
        stored = stored[..., 0]
    affine = np.diag([*reversed(task.spacing), 1.0])
    image = nibabel.Nifti1Image(np.ascontiguousarray(stored), affine)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The file holds no time, since the same seed must give the same bytes.
    path.write_bytes(gzip.compress(image.to_bytes(), compresslevel=1, mtime=0))
