"""The exponential moving average of a network's numbers, which is what is validated and kept."""

from __future__ import annotations

import copy
import math

import torch

from yolo_export.models import Network

__all__ = ["MovingAverage"]

_DECAY = 0.9999
_RAMP_STEPS = 2000
"""Steps after which the average has slowed down to 63 % of its decay: early numbers are soon forgotten."""


class MovingAverage:
    """Follows a network.

    Args:
        network: What is followed; the average starts as a copy.

    Attributes:
        network: The average, in evaluation mode.
        steps: How often it has followed.
    """

    def __init__(self, network: Network) -> None:
        self.network = copy.deepcopy(network).eval()
        for parameter in self.network.parameters():
            parameter.requires_grad_(False)
        self.steps = 0
        own, followed = self.network.state_dict(), network.state_dict()
        moving = [name for name, tensor in own.items() if tensor.is_floating_point()]
        self._own = [own[name] for name in moving]
        self._followed = [followed[name] for name in moving]

    def follow(self) -> None:
        """Moves a little towards the network; after every step of the optimiser."""
        self.steps += 1
        decay = _DECAY * (1 - math.exp(-self.steps / _RAMP_STEPS))
        with torch.no_grad():
            torch._foreach_lerp_(self._own, self._followed, 1 - decay)
