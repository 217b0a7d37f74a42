"""Exact rewrites of an ONNX graph, whichever model it comes from. Importing the package imports no torch."""

from __future__ import annotations

from yolo_export.onnx_lower.shuffle_free import free_of_shuffles

__all__ = ["free_of_shuffles"]
