"""What a checkpoint makes of an image: the truth that golden results and verification compare with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from yolo_edge import _core
from yolo_edge.bundle import ModelInput
from yolo_edge.checking import Golden, reference
from yolo_edge.detections import Detections
from yolo_edge.inference.base import letterbox_of
from yolo_edge.options import DetectOptions
from yolo_edge.scene import draw_scene
from yolo_export.source import Source

_GOLDEN_SEED = 20


@dataclass(frozen=True)
class Expected:
    """The checkpoint's own results for one image."""

    image: npt.NDArray[np.uint8]
    size_hw: tuple[int, int]
    letterboxed: npt.NDArray[np.uint8]
    """(3, H, W), before normalisation."""
    tensor: npt.NDArray[np.float32]
    """(1, 3, H, W), what the network sees."""
    heads: tuple[npt.NDArray[np.float32], ...]
    """Raw heads (C, ny, nx)."""
    conf: float
    """A threshold that leaves some boxes and lies far from the confidence of any."""
    detections: Detections


def compute_expected(
    source: Source, model_input: ModelInput, image: npt.NDArray[np.uint8], size_hw: tuple[int, int]
) -> Expected:
    """Runs the source's network and decodes its heads with the plain reference.

    Args:
        source: What is exported.
        model_input: How the bundle says that images become tensors.
        image: uint8 (height, width, 3), BGR.
        size_hw: Network size; letterboxed in mode ``rect``; no matter where the network takes only one.

    Raises:
        RuntimeError: The network's output is not finite.
    """
    height, width = image.shape[:2]
    geometry, tensor = letterboxed_for(source, model_input, image, size_hw)
    letterboxed = np.empty((3, *geometry.tensor_hw), np.uint8)
    letterbox_of(model_input).run(image, geometry, letterboxed)
    heads = source.compute_heads(tensor)
    iou = DetectOptions().iou
    boxes = reference.decode(heads, source.strides, source.anchors_px)
    conf = reference.threshold_between(boxes.confidence)
    boxes = reference.non_max_suppression(boxes, conf, iou)
    xyxy = reference.scale_boxes(boxes.xyxy, geometry.tensor_hw, (height, width))
    return Expected(
        image=image,
        size_hw=size_hw,
        letterboxed=letterboxed,
        tensor=tensor,
        heads=heads,
        conf=conf,
        detections=Detections(
            xyxy.astype(np.float32),
            boxes.confidence.astype(np.float32),
            boxes.class_id.astype(np.int32),
            tuple(source.names),
        ),
    )


def letterboxed_for(
    source: Source, model_input: ModelInput, image: npt.NDArray[np.uint8], size_hw: tuple[int, int]
) -> tuple[_core.LetterboxGeometry, npt.NDArray[np.float32]]:
    """Where an image lies in the source's input, in mode ``rect`` where its size is open, and the tensor."""
    geometry = _core.letterbox_geometry(
        (image.shape[0], image.shape[1]),
        size_hw=source.fixed_hw or size_hw,
        stride=model_input.stride,
        mode="square" if source.fixed_hw else "rect",
    )
    tensor = np.empty((1, 3, *geometry.tensor_hw), np.float32)
    letterbox_of(model_input).run(image, geometry, tensor)
    return geometry, tensor


def make_golden(source: Source, model_input: ModelInput) -> Golden:
    """The golden results of a bundle: a small picture, not square, that has to be scaled and padded."""
    side = 5 * model_input.stride
    size_hw = source.fixed_hw or (side, side)
    image = draw_scene((round(0.57 * 1.3 * size_hw[1]), round(1.3 * size_hw[1])), _GOLDEN_SEED)
    expected = compute_expected(source, model_input, image, size_hw)
    return Golden(
        image=image,
        size_hw=expected.size_hw,
        letterboxed=expected.letterboxed,
        heads=expected.heads,
        conf=expected.conf,
        iou=DetectOptions().iou,
        xyxy=expected.detections.xyxy,
        confidence=expected.detections.confidence,
        class_id=expected.detections.class_id,
    )
