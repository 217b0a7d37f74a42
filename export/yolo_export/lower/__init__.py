"""Exact rewrites of a network before it is exported."""

from __future__ import annotations

import copy

from yolo_export.lower.batch_norm import fold_batch_norm
from yolo_export.lower.channel_shuffle import open_channel_shuffle
from yolo_export.lower.focus import merge_focus
from yolo_export.lower.pooling import chain_pooling
from yolo_export.lower.repvgg import reparameterize
from yolo_export.lower.squeeze_excite import unflatten_excite
from yolo_export.models import Network

__all__ = ["lower"]

_PASSES = {
    "onnx": (
        reparameterize,
        fold_batch_norm,
        merge_focus,
        chain_pooling,
        unflatten_excite,
        open_channel_shuffle,
    ),
}


def lower(network: Network, form: str) -> Network:
    """Rewrite a network into the form that an exporter wants; the numbers it computes stay the same.

    Args:
        network: In evaluation mode. It is not changed.
        form: ``onnx``, the intermediate of every target.

    Returns:
        A new network.

    Raises:
        ValueError: The form is unknown.
    """
    if form not in _PASSES:
        raise ValueError(f"unknown form {form!r}; known forms: {', '.join(sorted(_PASSES))}")
    lowered = copy.deepcopy(network)
    for rewrite in _PASSES[form]:
        rewrite(lowered)
    return lowered
