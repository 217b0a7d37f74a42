"""yolo-export: turns a trained YOLOv5 or YOLOv5-Lite checkpoint into a bundle that yolo-edge runs.

Importing this package imports neither torch nor numpy; each name is loaded on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

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

_HOME = {
    "Checkpoint": "checkpoint",
    "CheckpointError": "errors",
    "ExportError": "errors",
    "ExportReport": "export",
    "export_bundle": "export",
    "read_checkpoint": "checkpoint",
}


def __getattr__(name: str) -> Any:
    try:
        home = _HOME[name]
    except KeyError:
        raise AttributeError(f"module 'yolo_export' has no attribute {name!r}") from None
    value = getattr(importlib.import_module(f"yolo_export.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
