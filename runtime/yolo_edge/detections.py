"""What was found in one image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Union

import numpy as np
import numpy.typing as npt

from yolo_edge.packages import require

Index = Union[int, slice, Sequence[int], npt.NDArray[Any]]


@dataclass(frozen=True)
class StageTimes:
    """Where the time of one image went."""

    letterbox_ms: float
    inference_ms: float
    """From handing the tensor to the engine to having the heads, waiting for other callers included."""
    postprocess_ms: float
    engine_from_s: float
    """When the engine began, on ``time.perf_counter``'s clock."""
    engine_to_s: float
    """When it was done."""


@dataclass(frozen=True)
class Detections:
    """Boxes of one image, the most confident first.

    Attributes:
        xyxy: float32 (n, 4): left, top, right, bottom in pixels of the source image.
        confidence: float32 (n,), 0..1.
        class_id: int32 (n,).
        names: The model's class names, by id.
        times: Where the time went; None when the boxes were not made by a Detector.

    Raises:
        ValueError: Arrays whose shapes do not fit together, or a class id without a name.

    Example:
        >>> import numpy as np
        >>> found = Detections(np.array([[1, 2, 30, 40]]), np.array([0.9]), np.array([0]), ("person",))
        >>> found[found.confidence > 0.5].class_names
        ['person']
    """

    xyxy: npt.NDArray[np.float32]
    confidence: npt.NDArray[np.float32]
    class_id: npt.NDArray[np.int32]
    names: Sequence[str]
    times: StageTimes | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        xyxy = np.asarray(self.xyxy, np.float32)
        confidence = np.asarray(self.confidence, np.float32)
        class_id = np.asarray(self.class_id, np.int32)
        count = len(confidence) if confidence.ndim == 1 else -1
        if xyxy.shape != (count, 4) or class_id.shape != (count,):
            raise ValueError(
                f"shapes do not fit together: xyxy {xyxy.shape}, confidence {confidence.shape}, "
                f"class_id {class_id.shape}; expected (n, 4), (n,), (n,)"
            )
        if count and not (int(class_id.min()) >= 0 and int(class_id.max()) < len(self.names)):
            raise ValueError(
                f"class_id has values from {class_id.min()} to {class_id.max()}; "
                f"there are names for 0 to {len(self.names) - 1}"
            )
        object.__setattr__(self, "xyxy", xyxy)
        object.__setattr__(self, "confidence", confidence)
        object.__setattr__(self, "class_id", class_id)

    @classmethod
    def from_core(
        cls,
        xyxy: npt.NDArray[np.float32],
        confidence: npt.NDArray[np.float32],
        class_id: npt.NDArray[np.int32],
        names: Sequence[str],
        times: StageTimes,
    ) -> Detections:
        """Wraps arrays that the core made, without looking at them.

        After a network has filled the caches the checks of the constructor take a tenth of a millisecond.
        """
        made = object.__new__(cls)
        made.__dict__.update(xyxy=xyxy, confidence=confidence, class_id=class_id, names=names, times=times)
        return made

    def __len__(self) -> int:
        return len(self.confidence)

    def __getitem__(self, index: Index) -> Detections:
        """A selection by slice, boolean mask, list of indices or one index; always Detections."""
        if isinstance(index, (int, np.integer)):
            if not -len(self) <= index < len(self):
                raise IndexError(f"index {index} of {len(self)} detections")
            index = [int(index)]
        elif not isinstance(index, slice):
            index = np.asarray(index)
            if index.size == 0:
                index = index.astype(np.intp)
        return Detections(
            self.xyxy[index], self.confidence[index], self.class_id[index], self.names, self.times
        )

    @property
    def class_names(self) -> list[str]:
        """The name of each detection's class."""
        return [self.names[i] for i in self.class_id]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON: ``{"detections": [{"class_id", "name", "confidence", "xyxy"}, ...]}``."""
        rows = zip(self.class_id.tolist(), self.confidence.tolist(), self.xyxy.tolist())
        return {
            "detections": [
                {
                    "class_id": class_id,
                    "name": self.names[class_id],
                    "confidence": round(confidence, 6),
                    "xyxy": [round(side, 4) for side in box],
                }
                for class_id, confidence, box in rows
            ]
        }

    def to_supervision(self) -> Any:
        """The same boxes as ``supervision.Detections``.

        Raises:
            MissingExtraError: The package supervision is not installed.
        """
        supervision = require(
            "supervision", "Detections.to_supervision", "pip install 'yolo-edge[supervision]'"
        )
        return supervision.Detections(
            xyxy=self.xyxy,
            confidence=self.confidence,
            class_id=self.class_id.astype(int),
            data={"class_name": np.array(self.class_names, dtype=str)},
        )
