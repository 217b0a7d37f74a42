"""Reading trained checkpoints safely."""

from __future__ import annotations

from yolo_export.checkpoint.reader import Checkpoint, read_checkpoint

__all__ = ["Checkpoint", "read_checkpoint"]
