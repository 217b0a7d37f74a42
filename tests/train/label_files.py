"""Labels of other formats for tests, and what is in a YOLO dataset."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from made_datasets import write_image

SIZE_HW = (90, 160)


def write_images(folder: Path, *names: str, size_hw: tuple[int, int] = SIZE_HW) -> Path:
    """A folder of drawn images."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(names):
        write_image(folder / name, size_hw, seed)
    return folder


def voc_object(name: str, box: Sequence[object], more: str = "") -> str:
    sides = "".join(f"<{side}>{x}</{side}>" for side, x in zip(("xmin", "ymin", "xmax", "ymax"), box))
    return f"<object><name>{name}</name>{more}<bndbox>{sides}</bndbox></object>"


def write_voc(
    path: Path, *objects: str, size_hw: tuple[int, int] | None = SIZE_HW, filename: str = ""
) -> Path:
    size = ""
    if size_hw is not None:
        size = f"<size><width>{size_hw[1]}</width><height>{size_hw[0]}</height><depth>3</depth></size>"
    path.parent.mkdir(parents=True, exist_ok=True)
    name = f"<filename>{filename}</filename>" if filename else ""
    path.write_text(f"<annotation>{name}{size}{''.join(objects)}</annotation>")
    return path


def bdd_label(category: str, box: Sequence[float] | None, colour: str | None = None) -> dict[str, Any]:
    label: dict[str, Any] = {"category": category, "id": 1, "attributes": {"occluded": False}}
    if colour is not None:
        label["attributes"]["trafficLightColor"] = colour
    if box is None:
        label["poly2d"] = [[1, 2, "L"]]
    else:
        label["box2d"] = dict(zip(("x1", "y1", "x2", "y2"), box))
    return label


def write_json(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def rows(dataset: Path) -> Mapping[str, list[list[float]]]:
    """The label files of a YOLO dataset, by their path below ``labels``."""
    labels = dataset / "labels"
    return {
        str(path.relative_to(labels)): [list(map(float, line.split())) for line in path.open()]
        for path in sorted(labels.rglob("*.txt"))
    }


def names(dataset: Path) -> list[str]:
    return list(yaml.safe_load((dataset / "data.yaml").read_text())["names"].values())
