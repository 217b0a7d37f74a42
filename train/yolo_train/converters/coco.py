"""COCO's JSON format (https://cocodataset.org/#format-data, object detection)."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from yolo_train.converters.base import (
    PIXEL_DECIMALS,
    Converter,
    LabelSource,
    ReadLabels,
    SplitToWrite,
    register,
)

if TYPE_CHECKING:
    from yolo_edge.datasets.labels import Findings, LabelledImage


@register("coco")
class CocoConverter(Converter):
    """One JSON file for each split."""

    title: ClassVar[str] = "COCO JSON"
    labels_help: ClassVar[str] = "instances_train.json"
    not_written: ClassVar[str] = "segmentations, crowds and supercategories"

    @staticmethod
    def add_arguments(group: argparse._ActionsContainer) -> None:
        """There are none."""

    @classmethod
    def from_arguments(cls, args: argparse.Namespace) -> CocoConverter:
        """With the options of a command line."""
        return cls()

    def read(self, source: LabelSource, findings: Findings) -> ReadLabels:
        """Reads an annotation file; crowds, which are no single objects, are left out."""
        from dataclasses import replace

        from yolo_edge.datasets.coco_format import read_coco

        images, names = read_coco(source.labels, source.images, findings)
        kept = []
        crowds = 0
        for image in images:
            crowds += int(image.objects.crowd.sum())
            kept.append(replace(image, objects=image.objects.where(~image.objects.crowd)))
        return ReadLabels(names, kept, {"crowd regions (iscrowd 1)": crowds} if crowds else {})

    def write(self, names: Sequence[str], splits: Sequence[SplitToWrite], folder: Path) -> Mapping[str, Path]:
        """Writes ``annotations/instances_SPLIT.json``; category ids count from 1."""
        annotations = folder / "annotations"
        annotations.mkdir()
        places = {}
        for split in splits:
            content = {
                "images": [
                    {
                        "id": number,
                        "file_name": image.path.relative_to(split.images_folder).as_posix(),
                        "height": image.known_size_hw[0],
                        "width": image.known_size_hw[1],
                    }
                    for number, image in enumerate(split.images, 1)
                ],
                "annotations": _annotations(split.images),
                "categories": [{"id": number, "name": name} for number, name in enumerate(names, 1)],
            }
            path = annotations / f"instances_{split.name}.json"
            path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
            places[split.name] = path.relative_to(folder)
        return places


def _annotations(images: Sequence[LabelledImage]) -> list[dict[str, Any]]:
    annotations: list[dict[str, Any]] = []
    for image_id, image in enumerate(images, 1):
        boxes = image.boxes_px()
        boxes[:, 2:] -= boxes[:, :2]
        for class_id, bbox in zip(image.objects.class_id.tolist(), boxes.round(PIXEL_DECIMALS).tolist()):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": class_id + 1,
                    "bbox": bbox,
                    "area": round(bbox[2] * bbox[3], PIXEL_DECIMALS),
                    "iscrowd": 0,
                }
            )
    return annotations
