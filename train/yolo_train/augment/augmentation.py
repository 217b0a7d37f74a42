"""The augmentation's hyper-parameters."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from yolo_edge.finite import is_finite_number


@dataclass(frozen=True)
class Augmentation:
    """How much training images are changed; names, meaning and defaults of YOLOv5 v7.0's ``hyp.scratch-low``.

    Raises:
        ValueError: Values outside their range; the message names each with its range.
    """

    hsv_h: float = 0.015
    """Largest change of the hue, as a fraction of it, 0..1."""
    hsv_s: float = 0.7
    """Largest change of the saturation, as a fraction of it, 0..1."""
    hsv_v: float = 0.4
    """Largest change of the brightness, as a fraction of it, 0..1."""
    degrees: float = 0.0
    """Largest rotation to either side, degrees, 0..180. Boxes grow: they enclose the turned ones."""
    translate: float = 0.1
    """Largest shift to any side, as a fraction of the network's input, 0..1."""
    scale: float = 0.5
    """Largest gain or loss of size: 0.5 draws from 0.5 to 1.5, 0..0.95."""
    shear: float = 0.0
    """Largest shear along each axis, degrees, 0..60."""
    perspective: float = 0.0
    """Largest perspective coefficient per pixel, 0..0.001."""
    flipud: float = 0.0
    """Probability of turning the image upside down."""
    fliplr: float = 0.5
    """Probability of mirroring the image left to right. 0 where left and right differ, as in text."""
    mosaic: float = 1.0
    """Probability that a sample is a mosaic of four images. Costs three more images to decode, at most."""
    mixup: float = 0.0
    """Probability that a mosaic is blended with a second one. Costs as much as another sample."""

    def __post_init__(self) -> None:
        faults = []
        for field in dataclasses.fields(self):
            value, largest = getattr(self, field.name), _LARGEST.get(field.name, 1.0)
            if not (is_finite_number(value) and 0 <= value <= largest):
                faults.append(f"{field.name} is {value!r}; it must be a number from 0 to {largest:g}")
        if faults:
            raise ValueError("; ".join(faults))

    @classmethod
    def none(cls) -> Augmentation:
        """No augmentation: images are letterboxed only."""
        return cls(**{field.name: 0.0 for field in dataclasses.fields(cls)})


_LARGEST = {"degrees": 180.0, "scale": 0.95, "shear": 60.0, "perspective": 0.001}
"""Upper ends of the ranges that are not 0..1; YOLOv5's evolution of hyper-parameters keeps within them."""
