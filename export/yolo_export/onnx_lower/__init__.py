"""Exact rewrites of an ONNX graph, whichever model it comes from. Importing the package imports no torch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from yolo_export.onnx_lower.blocks import in_blocks
from yolo_export.onnx_lower.shuffle_free import free_of_shuffles

__all__ = ["FORMS", "apply_form", "free_of_shuffles", "in_blocks"]

#: Channels in a block of onnxruntime's convolutions with AVX-512; with AVX2 and on ARM, blocks are a part of it.
_BLOCK = 16

#: Rewrites by the name that a target's `form` says. ``plain`` is the graph as it was traced.
FORMS: dict[str, tuple[Callable[[Any, Any], Any], ...]] = {
    "plain": (),
    "split": (free_of_shuffles,),
    "blocks": (partial(in_blocks, block=_BLOCK),),
}


def apply_form(onnx: Any, model: Any, form: str) -> Any:
    """Rewrite a graph into a form; the numbers it computes stay the same.

    Args:
        onnx: The package.
        model: ``ModelProto`` whose constants are folded, for one image. It is not changed.
        form: A key of `FORMS`.
    """
    for rewrite in FORMS[form]:
        model = rewrite(onnx, model)
    return model
