"""Layers that keep their numbers."""

from __future__ import annotations

from yolo_export.models import Network

__all__ = ["freeze_layers", "train_mode"]


def freeze_layers(network: Network, count: int) -> None:
    """Takes the gradients of the first layers away.

    Raises:
        ValueError: There are not so many.
    """
    layers = len(network.layers)
    if not 0 <= count < layers:
        raise ValueError(
            f"--freeze {count}: the network has {layers} layers; at most {layers - 1} can be frozen"
        )
    for layer in network.layers[:count]:
        layer.requires_grad_(False)


def train_mode(network: Network, frozen: int) -> None:
    """Puts a network into training mode; batch norms of frozen layers keep their figures."""
    network.train()
    for layer in network.layers[:frozen]:
        layer.eval()
