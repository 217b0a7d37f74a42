"""Tests a bundle on this machine: letterbox, network, decoding and NMS against the checkpoint's results."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from yolo_edge import _core
from yolo_edge.bundle import Bundle
from yolo_edge.checking.agreement import agreement_with_heads, box_agreement
from yolo_edge.checking.golden import Golden, load_golden
from yolo_edge.checking.head_error import max_head_error, mean_head_error
from yolo_edge.detections import Detections
from yolo_edge.detector import Detector
from yolo_edge.options import INT8_PRECISIONS, DetectOptions

MIN_BOX_AGREEMENT = 0.95
"""Not 1: of two boxes that overlap by just the IoU threshold, or are equally confident, rounding picks one.

Where the right heads are known, ``agreement_with_heads`` takes account of that; else it happens to a box now
and then. What is wrong in decoding or NMS moves many.
"""

_MIN_AGREEMENT_OF_HALF = 0.9
"""For weights that were rounded to half precision: scores move a little, what lies at a threshold changes."""

_INT8_MEAN_MARGIN = 1.5
_INT8_SLACK = 0.1
"""How much less than the export measured may agree: kernels of int8 round in other ways on other CPUs."""

_TIMED_RUNS = 5


@dataclass(frozen=True)
class CheckResult:
    """What a target did with the golden image."""

    engine: str
    weights: str
    compute: str
    letterbox_exact: bool
    """The letterboxed image equals the exporter's in every byte."""
    max_head_error: float
    """Largest difference of a raw head value; the sides of decoded boxes count as fractions of the tensor."""
    head_tolerance: float
    mean_head_error: float
    mean_head_tolerance: float | None
    """Of int8 weights, whose largest error says little: half as much again as the export measured."""
    box_agreement: float
    """Share of boxes with the same class, IoU >= 0.95 and confidence within 0.02."""
    min_box_agreement: float
    boxes: int
    """Number of boxes expected."""
    inference_ms: float
    """Median of a few runs at the golden image's small size."""

    @property
    def passed(self) -> bool:
        """Whether everything is within tolerance."""
        return (
            self.letterbox_exact
            and self.max_head_error <= self.head_tolerance
            and (self.mean_head_tolerance is None or self.mean_head_error <= self.mean_head_tolerance)
            and self.box_agreement >= self.min_box_agreement
        )


def check_bundle(
    bundle: Bundle,
    engine: str,
    *,
    threads: int | None = None,
    cluster: str | None = None,
    affinity: str | None = None,
    precision: str = "auto",
    native: bool | None = None,
) -> CheckResult:
    """Runs a bundle's golden image through an engine; the arguments are those of a Detector.

    Raises:
        BundleError: The bundle, or its golden file, cannot be used.
    """
    golden = load_golden(bundle)
    with Detector(
        bundle,
        engine=engine,
        threads=threads,
        cluster=cluster,
        affinity=affinity,
        precision=precision,
        native=native,
        imgsz=golden.size_hw,
        letterbox="rect",
    ) as detector:
        tensor = detector.letterboxed(golden.image)
        heads = detector.compute_heads(tensor)
        options = DetectOptions(conf=golden.conf, iou=golden.iou)
        durations = []
        for _ in range(_TIMED_RUNS):
            started = time.perf_counter()
            detector.compute_heads(tensor)
            durations.append((time.perf_counter() - started) * 1e3)
        found = detector.detect(golden.image, options=options)
        target = detector.target
        return CheckResult(
            engine=target.engine,
            weights=target.weights,
            compute=detector.compute,
            letterbox_exact=_letterbox_exact(bundle, detector, golden.image, golden.letterboxed),
            max_head_error=max_head_error(
                _comparable(heads, detector, tensor), _comparable(golden.heads, detector, tensor)
            ),
            head_tolerance=detector.head_tolerance,
            mean_head_error=mean_head_error(heads, golden.heads),
            mean_head_tolerance=_mean_head_tolerance(detector),
            box_agreement=_agreement(bundle, detector, golden, found, (tensor.shape[2], tensor.shape[3])),
            min_box_agreement=min_box_agreement(detector),
            boxes=len(golden.confidence),
            inference_ms=sorted(durations)[_TIMED_RUNS // 2],
        )


def min_box_agreement(detector: Detector) -> float:
    """Share of boxes that must agree; of int8, which is for its gate to judge, nearly what was measured."""
    if detector.compute not in INT8_PRECISIONS:
        return _MIN_AGREEMENT_OF_HALF if detector.target.weights == "fp16" else MIN_BOX_AGREEMENT
    return max(0.0, float(detector.measured["box_agreement"]) - _INT8_SLACK)


def _mean_head_tolerance(detector: Detector) -> float | None:
    if detector.compute not in INT8_PRECISIONS:
        return None
    return _INT8_MEAN_MARGIN * float(detector.measured["mean_head_error"])


def _agreement(
    bundle: Bundle, detector: Detector, golden: Golden, found: Detections, tensor_hw: tuple[int, int]
) -> float:
    expected = golden.detections(bundle.names)
    # Golden heads have the form of the first target, which is another one in imported bundles only.
    forms = {(output.layout, output.activation) for output in bundle.targets[0].outputs}
    if forms != {("c,h,w", "none")}:
        return box_agreement(found, expected)
    return agreement_with_heads(
        found,
        expected,
        bundle,
        golden.heads,
        tensor_hw=tensor_hw,
        source_hw=golden.image.shape[:2],
        options=DetectOptions(conf=golden.conf, iou=golden.iou),
        head_tolerance=detector.head_tolerance,
    )


def _comparable(
    heads: Sequence[np.ndarray[tuple[int, ...], np.dtype[np.float32]]],
    detector: Detector,
    tensor: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
) -> list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    """Decoded boxes are hundreds of pixels large: as fractions of the tensor one limit serves all forms."""
    activations = [output.activation for output in detector.target.outputs_by_head]
    sides = np.array([*tensor.shape[:1:-1], *tensor.shape[:1:-1]], np.float32)
    return [
        np.concatenate([head[..., :4] / sides, head[..., 4:]], axis=-1) if activation == "decoded" else head
        for head, activation in zip(heads, activations)
    ]


def _letterbox_exact(
    bundle: Bundle,
    detector: Detector,
    image: np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
    expected: np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
) -> bool:
    geometry = detector.geometry(image)
    out = np.empty((3, *geometry.tensor_hw), np.uint8)
    letterbox = _core.Letterbox(tensor_channels=bundle.input.channels, pad_value=bundle.input.pad_value)
    letterbox.run(image, geometry, out)
    return np.array_equal(out, expected)
