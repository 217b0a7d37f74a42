"""Makes bundles of ONNX and ncnn files that other tools exported from YOLOv5 and YOLOv5-Lite models."""

from __future__ import annotations

from yolo_edge.importing.importer import ImportReport, import_model, open_imported
from yolo_edge.importing.options import ImportOptions

__all__ = ["ImportOptions", "ImportReport", "import_model", "open_imported"]
