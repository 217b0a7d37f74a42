"""yolo-export: turns a trained YOLOv5 or YOLOv5-Lite checkpoint into a bundle that yolo-edge runs.

Importing this package imports neither torch nor numpy; each name is loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from yolo_edge.lazy_names import lazy_names

if TYPE_CHECKING:
    from yolo_export.checkpoint import Checkpoint, read_checkpoint
    from yolo_export.errors import CheckpointError, ExportError
    from yolo_export.export import ExportReport, export_bundle

__all__ = [
    "Checkpoint",
    "CheckpointError",
    "ExportError",
    "ExportReport",
    "export_bundle",
    "read_checkpoint",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Checkpoint": "checkpoint",
        "CheckpointError": "errors",
        "ExportError": "errors",
        "ExportReport": "export",
        "export_bundle": "export",
        "read_checkpoint": "checkpoint",
    },
)
