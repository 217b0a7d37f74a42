"""What an export starts from: the source, its size, its calibration images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from yolo_edge.bundle import Bundle, ModelInput
from yolo_edge.importing import ImportOptions
from yolo_edge.options import default_side, validate_size
from yolo_export.checkpoint import read_checkpoint
from yolo_export.foreign import open_foreign
from yolo_export.gate_options import DEFAULT_METHOD, CalibrationOptions
from yolo_export.quantize import Calibration, open_calibration
from yolo_export.quantize.ranges import check_method
from yolo_export.source import SizeHW, Source

__all__ = ["choose_size", "draw_calibration", "open_source"]


def open_source(
    path: Path, size_hw: SizeHW | None, options: ImportOptions | None, progress: Callable[[str], None]
) -> Source:
    """Opens a checkpoint, or another tool's ONNX file.

    Args:
        path: ``best.pt`` or ``.onnx``.
        size_hw: Network size that the user asked for.
        options: What an ONNX file does not say.
        progress: Told of each step.

    Raises:
        ValueError: Import options for a checkpoint.
        CheckpointError: The checkpoint cannot be read.
        BundleError: The ONNX file cannot be imported.
        ExportError: The ONNX file has no raw heads to be found.
    """
    if path.suffix.lower() == ".onnx":
        progress(f"looking at {path}")
        return open_foreign(path, replace(options or ImportOptions(), size_hw=size_hw))
    if options is not None and options != ImportOptions(size_hw=options.size_hw):
        raise ValueError(f"import options are for .onnx files; the checkpoint {path} says it itself")
    progress(f"reading {path}")
    return read_checkpoint(path)


def choose_size(given: SizeHW | None, source: Source, old: Bundle | None) -> tuple[SizeHW, list[str]]:
    """The default network size of a bundle, with notes for the user.

    Args:
        given: What the user asked for.
        source: What is exported.
        old: The bundle that is extended.

    Raises:
        ValueError: The size does not fit the strides.
    """
    stride = max(source.strides)
    if source.fixed_hw is not None:
        return source.fixed_hw, []
    if given is not None:
        validate_size(given, stride)
        return given, []
    if old is not None:
        return old.input.size_hw, []
    if source.size_hw is not None:
        return source.size_hw, []
    side = default_side(stride)
    return (side, side), [
        f"the {source.kind} does not say its image size; {side} was taken (--imgsz sets it)"
    ]


def draw_calibration(
    options: CalibrationOptions, source: Source, model_input: ModelInput
) -> tuple[Calibration, str]:
    """Draws the images to calibrate with; returns them and the method.

    Args:
        options: What the user asked for.
        source: What is exported.
        model_input: How images become tensors.

    Raises:
        ValueError: An unknown method; a count or seed that is not possible.
        CalibrationError: There are no images, or some cannot be read.
        DatasetError: The YAML is not a dataset's.
    """
    method = options.method or DEFAULT_METHOD
    check_method(method)
    given = {"count": options.count, "seed": options.seed}
    drawn = open_calibration(
        options.data,
        model_input,
        fixed_hw=source.fixed_hw,
        **{name: value for name, value in given.items() if value is not None},
    )
    return drawn, method
