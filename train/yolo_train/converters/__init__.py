"""Converters between YOLO's dataset format and others.

Importing the package imports neither numpy nor OpenCV; each name is loaded on first use.

Example:
    >>> from yolo_train.converters import LabelSource, converter_class, convert_to_yolo
    >>> source = LabelSource("train", Path("instances_train.json"), Path("train2017"))   # doctest: +SKIP
    >>> convert_to_yolo(converter_class("coco")(), [source], "coco-yolo")                # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from yolo_edge.lazy_names import lazy_names

if TYPE_CHECKING:
    from yolo_train.converters.base import (
        Converter,
        LabelSource,
        converter_class,
        converter_names,
        register,
    )
    from yolo_train.converters.conversion import Conversion, convert_from_yolo, convert_to_yolo
    from yolo_train.converters.yolo_writer import label_rows, put_image, write_label_file, write_yaml

__all__ = [
    "Conversion",
    "Converter",
    "LabelSource",
    "convert_from_yolo",
    "convert_to_yolo",
    "converter_class",
    "converter_names",
    "label_rows",
    "put_image",
    "register",
    "write_label_file",
    "write_yaml",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Conversion": "conversion",
        "Converter": "base",
        "LabelSource": "base",
        "convert_from_yolo": "conversion",
        "convert_to_yolo": "conversion",
        "converter_class": "base",
        "converter_names": "base",
        "label_rows": "yolo_writer",
        "put_image": "yolo_writer",
        "register": "base",
        "write_label_file": "yolo_writer",
        "write_yaml": "yolo_writer",
    },
)
