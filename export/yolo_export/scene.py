"""The drawn picture that both wings verify with."""

from __future__ import annotations

from yolo_edge.scene import draw_scene

__all__ = ["draw_scene"]
