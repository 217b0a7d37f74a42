"""Exact rewrites of an ONNX graph, whichever model it comes from. Importing the package imports no torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from yolo_export.onnx_lower.shuffle_free import free_of_shuffles

__all__ = ["FORMS", "apply_form", "free_of_shuffles"]

#: Rewrites by the name that a target's `form` says. ``plain`` is the graph as it was traced.
FORMS: dict[str, tuple[Callable[[Any, Any], Any], ...]] = {
    "plain": (),
    "shuffle-free": (free_of_shuffles,),
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
