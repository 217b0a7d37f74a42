"""The C++ core of yolo-edge. The docstrings live in the binding: `help(yolo_edge._core.Letterbox)`."""

import os
from collections.abc import Iterable, Iterator, Sequence
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
    def __init__(
        self,
        heads: Sequence[tuple[int, _Anchors]],
        *,
        outputs: Sequence[tuple[str, str]] | None = None,
        simd: str | None = None,
    ) -> None: ...
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
def has_half_precision_arithmetic() -> bool: ...
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

@final
class CpuSet:
    def __init__(self, cpus: str | Iterable[int] = ()) -> None: ...
    def __contains__(self, cpu: object) -> bool: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[int]: ...
    def __and__(self, other: CpuSet, /) -> CpuSet: ...
    def __or__(self, other: CpuSet, /) -> CpuSet: ...
    def __sub__(self, other: CpuSet, /) -> CpuSet: ...
    def __le__(self, other: CpuSet, /) -> bool: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class CpuTier:
    @property
    def name(self) -> str: ...
    @property
    def cpus(self) -> CpuSet: ...
    @property
    def capacity(self) -> int | None: ...
    @property
    def max_frequency_khz(self) -> int | None: ...

@final
class CpuTopology:
    @staticmethod
    def read(root: str | os.PathLike[str] = "/", *, allowed: CpuSet | None = None) -> CpuTopology: ...
    @property
    def online(self) -> CpuSet: ...
    @property
    def allowed(self) -> CpuSet: ...
    @property
    def tiers(self) -> tuple[CpuTier, ...]: ...
    @property
    def ranked_by(self) -> str: ...
    @property
    def quota_cpus(self) -> float | None: ...
    def select(self, *, cluster: str | None = None, affinity: CpuSet | None = None) -> CpuSet: ...
    def default_threads(self, cpus: CpuSet) -> int: ...

def bind_current_thread(cpus: CpuSet) -> None: ...
def current_thread_cpus() -> CpuSet: ...
def thread_cpus(tid: int) -> CpuSet: ...

native_engines: dict[str, str]
native_defaults: dict[str, object]

_NativeResult = tuple[
    npt.NDArray[np.float32],
    npt.NDArray[np.float32],
    npt.NDArray[np.int32],
    tuple[float, float, float, float, float],
]

@final
class NativeJob:
    def abandon(self) -> None: ...

@final
class NativeDetector:
    def __init__(
        self,
        manifest: str,
        folder: str,
        *,
        engine: str,
        threads: int,
        cpus: CpuSet,
        precision: str,
        size_hw: tuple[int, int],
        square: bool,
    ) -> None: ...
    @property
    def precision(self) -> str: ...
    def bound_cpus(self) -> CpuSet: ...
    def detect(
        self,
        image: npt.NDArray[np.uint8],
        *,
        conf: float = 0.25,
        iou: float = ...,
        classes: Sequence[int] | None = None,
        agnostic: bool = False,
        multi_label: bool = False,
        max_detections: int = 300,
        max_candidates: int = 30000,
        image_channels: str = "bgr",
    ) -> _NativeResult: ...
    def start(self, image: npt.NDArray[np.uint8], *, image_channels: str = "bgr") -> NativeJob: ...
    def try_start(self, image: npt.NDArray[np.uint8], *, image_channels: str = "bgr") -> NativeJob | None: ...
    def finish(
        self,
        job: NativeJob,
        *,
        conf: float = 0.25,
        iou: float = ...,
        classes: Sequence[int] | None = None,
        agnostic: bool = False,
        multi_label: bool = False,
        max_detections: int = 300,
        max_candidates: int = 30000,
    ) -> _NativeResult: ...
    def compute_heads(self, tensor: npt.NDArray[np.float32]) -> list[npt.NDArray[np.float32]]: ...
    def close(self) -> None: ...
