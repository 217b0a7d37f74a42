"""A dataset that a network learns in seconds: bright squares and dark wide boxes on noise."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

NAMES = ("square", "bar")


def write_dataset(folder: Path, *, train: int = 8, val: int = 4, size_px: int = 96, seed: int = 0) -> Path:
    """Writes images and labels; returns the dataset YAML. One image of each split shows no objects."""
    random = np.random.default_rng(seed)
    for split, count in (("train", train), ("val", val)):
        images, labels = folder / "images" / split, folder / "labels" / split
        images.mkdir(parents=True)
        labels.mkdir(parents=True)
        for number in range(count):
            image = random.integers(90, 150, (size_px, size_px * 4 // 3, 3)).astype(np.uint8)
            rows = [] if number == count - 1 else [_draw(image, random, kind) for kind in (0, 1)]
            assert cv2.imwrite(str(images / f"{number}.png"), image)
            (labels / f"{number}.txt").write_text("".join(rows))
    path = folder / "data.yaml"
    path.write_text(f"path: {folder}\ntrain: images/train\nval: images/val\nnames: [{', '.join(NAMES)}]\n")
    return path


def _draw(image: np.ndarray, random: np.random.Generator, kind: int) -> str:
    height, width = image.shape[:2]
    side = int(random.integers(height // 5, height // 3))
    w, h = (side, side) if kind == 0 else (side * 2, side // 2)
    # Each in a half of its own, so that they never cover each other.
    top = int(random.integers(0, height // 2 - h)) + kind * (height // 2)
    left = int(random.integers(0, width - w))
    image[top : top + h, left : left + w] = (40, 220, 240) if kind == 0 else (60, 20, 30)
    return f"{kind} {(left + w / 2) / width} {(top + h / 2) / height} {w / width} {h / height}\n"
