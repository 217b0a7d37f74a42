"""What a caller may choose for one detection; the command line and the Python API share these defaults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional, Union

from yolo_edge.finite import is_finite_number

ClassSelection = Optional[Sequence[Union[int, str]]]

PRECISIONS = ("auto", "fp32", "fp16-storage", "fp16", "bf16", "int8", "int8-weights")
"""Kinds of arithmetic that a user can ask for, see :func:`yolo_edge.engines.choose_precision`."""

INT8_PRECISIONS = ("int8", "int8-weights")
"""Those of 8-bit weights, also the names of such weights: they may find less, so nobody gets them unasked,
and a machine is compared with what their export measured."""

FILES_AT_ONCE = 4
"""Video files that one run reads at the same time; each holds a decoder and some frames."""

DEFAULT_SIZE = 640
"""Network size of a model that takes any and names none: what YOLOv5's tools default to."""

PAD_VALUE = 114
"""Grey level of the letterbox border in YOLOv5's and YOLOv5-Lite's tools, all releases."""

MOST_BOXES = (1 << 31) - 1
"""What the core counts boxes to."""

MOST_THREADS = 1024
"""More than boards have CPUs; engines hang or crash when they are asked for very many."""


def check_count(name: str, value: object, most: int) -> None:
    """Refuses what is no whole number from 1 to ``most``.

    Raises:
        ValueError: The message names it and the bound.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} is {value!r}; it must be a whole number of at least 1")
    if value > most:
        raise ValueError(f"{name} is {value}; it must be at most {most}")


@dataclass(frozen=True)
class DetectOptions:
    """Thresholds and limits of decoding and NMS.

    Raises:
        ValueError: A value outside its range; the message names it and the range.
    """

    conf: float = 0.25
    """Confidence threshold, 0..1: boxes at or below it are dropped. Lower finds more and costs more."""

    iou: float = 0.45
    """IoU threshold of NMS, 0..1: of two boxes that overlap more, the less confident one is dropped."""

    classes: ClassSelection = None
    """Class ids or names to keep; None keeps all."""

    agnostic: bool = False
    """NMS across classes instead of within each class."""

    multi_label: bool = False
    """Every class above the threshold gives a box, not only the best one; for evaluation."""

    max_detections: int = 300
    """Boxes kept per image, the most confident first."""

    max_candidates: int = 30000
    """Boxes that enter NMS, the most confident first; bounds the time of one image."""

    def __post_init__(self) -> None:
        for name in ("conf", "iou"):
            value = getattr(self, name)
            if not (is_finite_number(value) and 0 <= value <= 1):
                raise ValueError(f"{name} is {value!r}; it must be a number from 0 to 1")
        for name in ("max_detections", "max_candidates"):
            value = getattr(self, name)
            check_count(name, value, MOST_BOXES)


def resolve_classes(classes: ClassSelection, names: Sequence[str]) -> list[int] | None:
    """Turns class ids and names into ids.

    Args:
        classes: Ids, names or a mixture; None means all classes.
        names: The model's class names, by id.

    Raises:
        ValueError: Every unknown entry is listed, with what the model knows.
    """
    if classes is None:
        return None
    ids: list[int] = []
    unknown: list[str] = []
    for entry in classes:
        if isinstance(entry, str) and entry in names:
            ids.append(list(names).index(entry))
            continue
        try:
            index = int(entry)
        except ValueError:
            index = -1
        if 0 <= index < len(names):
            ids.append(index)
        else:
            unknown.append(str(entry))
    if unknown:
        known = ", ".join(f"{i} {name}" for i, name in enumerate(names))
        raise ValueError(f"the model has no class {', '.join(unknown)}; it has: {known}")
    return sorted(set(ids))


def parse_size(text: str) -> tuple[int, int]:
    """Reads ``640`` or ``HEIGHTxWIDTH`` (``384x640``) as (height, width) in pixels.

    Raises:
        ValueError: Anything else.
    """
    parts = text.lower().replace(",", "x").split("x")
    if len(parts) in (1, 2) and all(part.isascii() and part.isdigit() and int(part) > 0 for part in parts):
        return int(parts[0]), int(parts[-1])
    raise ValueError(f"{text!r} is not an image size; give one number (640) or HEIGHTxWIDTH (384x640)")


def default_side(stride: int) -> int:
    """:data:`DEFAULT_SIZE`, or the next multiple of the model's largest stride."""
    return -(-DEFAULT_SIZE // stride) * stride


def validate_size(size_hw: tuple[int, int], stride: int) -> None:
    """Refuses a network size that is not a multiple of the model's largest stride.

    Raises:
        ValueError: Names the nearest sizes that are.
    """
    if any(side < stride or side % stride for side in size_hw):
        shown = f"{size_hw[0]}" if size_hw[0] == size_hw[1] else f"{size_hw[0]}x{size_hw[1]}"
        near = sorted(
            {max(stride, side // stride * stride + step) for side in size_hw for step in (0, stride)}
        )
        raise ValueError(
            f"image size {shown} is not a multiple of the model's stride {stride}; "
            f"the nearest that are: {', '.join(map(str, near))}"
        )
