"""Reads other tools' ONNX files as networks with raw heads, so that every target can be made of them."""

from __future__ import annotations

from yolo_export.foreign.model import ForeignModel, open_foreign

__all__ = ["ForeignModel", "open_foreign"]
