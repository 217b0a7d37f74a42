"""The C++ kernels of yolo-edge. The docstrings live in the binding: `help(yolo_edge._core.Letterbox)`."""

from collections.abc import Sequence
from typing import Any, final

import numpy as np
import numpy.typing as npt

__version__: str

_Number = np.number[Any]
_Boxes = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.int32]]
_Anchors = Sequence[tuple[float, float]]

@final
class LetterboxGeometry:
    @property
    def mode(self) -> str: ...
    @property
    def source_hw(self) -> tuple[int, int]: ...
    @property
    def tensor_hw(self) -> tuple[int, int]: ...
    @property
    def resized_hw(self) -> tuple[int, int]: ...
    @property
    def padding(self) -> tuple[int, int, int, int]: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

def letterbox_geometry(
    source_hw: tuple[int, int],
    *,
    size_hw: tuple[int, int],
    stride: int,
    mode: str = "rect",
    scale_up: bool = True,
) -> LetterboxGeometry: ...

@final
class Letterbox:
    def __init__(
        self,
        *,
        tensor_channels: str = "rgb",
        mean: Sequence[float] = ...,
        scale: Sequence[float] = ...,
        pad_value: int = 114,
        simd: str | None = None,
    ) -> None: ...
    def run(
        self,
        image: npt.NDArray[np.uint8],
        geometry: LetterboxGeometry,
        out: npt.NDArray[np.float32] | npt.NDArray[np.uint8],
        *,
        image_channels: str = "bgr",
    ) -> None: ...

@final
class Postprocessor:
    def __init__(self, heads: Sequence[tuple[int, _Anchors]], *, simd: str | None = None) -> None: ...
    def run(
        self,
        head_arrays: Sequence[npt.NDArray[np.float32]],
        geometry: LetterboxGeometry,
        *,
        confidence: float = 0.25,
        iou: float = ...,
        classes: Sequence[int] | None = None,
        class_agnostic: bool = False,
        multi_label: bool = False,
        max_detections: int = 300,
        max_candidates: int = 30000,
    ) -> _Boxes: ...

def simd_levels() -> tuple[str, ...]: ...
def generate_proposals(
    head: npt.NDArray[np.float32],
    *,
    stride: int,
    anchors_px: _Anchors,
    confidence: float = 0.25,
    multi_label: bool = False,
    classes: Sequence[int] | None = None,
) -> _Boxes: ...
def sort_descending(
    xyxy: npt.NDArray[_Number],
    score: npt.NDArray[_Number],
    class_id: npt.NDArray[_Number],
    *,
    max_candidates: int = 30000,
) -> _Boxes: ...
def nms_sorted(
    xyxy: npt.NDArray[_Number],
    score: npt.NDArray[_Number],
    class_id: npt.NDArray[_Number],
    *,
    iou: float = ...,
    class_agnostic: bool = False,
    max_detections: int = 300,
) -> npt.NDArray[np.int32]: ...
def scale_boxes(xyxy: npt.NDArray[_Number], geometry: LetterboxGeometry) -> npt.NDArray[np.float32]: ...
