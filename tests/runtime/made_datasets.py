"""Small labelled datasets for tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

NAMES = ["cat", "dog", "bird"]
"""The class names of the fixture tiny_bundle."""

LABELS = {"a": "0 0.5 0.5 0.25 0.5\n2 0.25 0.25 0.5 0.5\n", "b": "1 0.5 0.5 1 1\n", "c": "", "d": None}
"""Label files by image; None has no file."""


def write_image(path: Path, size_hw: tuple[int, int] = (90, 160), seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 255, (*size_hw, 3), np.uint8)
    cv2.imwrite(str(path), cv2.blur(noise, (9, 9)))
    return path


def write_folder(folder: Path, labels: dict[str, str | None] | None = None, below: str = "") -> Path:
    """A folder with images/ and labels/; ``below`` is a split inside both."""
    (folder / "labels" / below).mkdir(parents=True)
    for seed, (name, text) in enumerate((LABELS if labels is None else labels).items()):
        write_image(folder / "images" / below / f"{name}.png", seed=seed)
        if text is not None:
            (folder / "labels" / below / f"{name}.txt").write_text(text)
    return folder


def coco_content() -> dict[str, Any]:
    """The same objects as LABELS, with category ids in another order."""
    return {
        "images": [
            {"id": 10 + i, "file_name": f"{name}.png", "width": 160, "height": 90}
            for i, name in enumerate("abcd")
        ],
        "categories": [{"id": 7, "name": "bird"}, {"id": 3, "name": "cat"}, {"id": 5, "name": "dog"}],
        "annotations": [
            {
                "id": 1,
                "image_id": 10,
                "category_id": 3,
                "bbox": [60, 22.5, 40, 45],
                "area": 900,
                "iscrowd": 0,
            },
            {"id": 2, "image_id": 10, "category_id": 7, "bbox": [0, 0, 80, 45]},
            {"id": 3, "image_id": 11, "category_id": 5, "bbox": [0, 0, 160, 90], "iscrowd": 0},
        ],
    }


def write_coco(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def write_training(folder: Path, names: str = "[cat, dog, bird]", **splits: dict[str, str | None]) -> Path:
    """A dataset YAML with splits ``train`` and ``val``, or those that are given by their labels."""
    for split, labels in (splits or {"train": LABELS, "val": {"v": "1 0.5 0.5 0.25 0.25\n"}}).items():
        write_folder(folder, labels, split)
    path = folder / "data.yaml"
    listed = "".join(f"{split}: images/{split}\n" for split in splits or ("train", "val"))
    path.write_text(f"{listed}names: {names}\n")
    return path
