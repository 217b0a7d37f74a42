"""The optimiser and the course of its learning rate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from operator import itemgetter

import torch
from torch import nn

from yolo_train.training.optimiser_options import NOMINAL_BATCH, OptimiserOptions

__all__ = ["Schedule", "create_optimiser"]

_LEAST_WARMUP_BATCHES = 100
_BETA2 = 0.999


def create_optimiser(
    network: nn.Module, kind: str, options: OptimiserOptions, *, images_per_step: int
) -> torch.optim.Optimizer:
    """Makes the optimiser with three groups of parameters: weights, norms, biases. Only weights decay.

    Args:
        network: Its parameters without gradients are left out.
        kind: ``sgd`` or ``adamw``.
        options: Learning rate and so on.
        images_per_step: Weight decay is scaled by it.

    Raises:
        ValueError: Nothing is left to train.
    """
    weights: list[nn.Parameter] = []
    norms: list[nn.Parameter] = []
    biases: list[nn.Parameter] = []
    # By name: a network that was read again may have the same parts in another order.
    for _, module in sorted(network.named_modules(), key=itemgetter(0)):
        is_norm = isinstance(module, (nn.modules.batchnorm._NormBase, nn.LayerNorm))
        for name, parameter in sorted(module.named_parameters(recurse=False), key=itemgetter(0)):
            if parameter.requires_grad:
                (biases if name.endswith("bias") else norms if is_norm else weights).append(parameter)
    if not (weights or norms or biases):
        raise ValueError("all layers are frozen: nothing is left to train")
    decay = options.weight_decay * images_per_step / NOMINAL_BATCH
    groups = [
        {"params": weights, "weight_decay": decay},
        {"params": norms, "weight_decay": 0.0},
        {"params": biases, "weight_decay": 0.0, "is_bias": True},
    ]
    if kind == "adamw":
        betas = (options.momentum, _BETA2)
        return torch.optim.AdamW(groups, lr=options.lr0, betas=betas, foreach=True)
    return torch.optim.SGD(groups, lr=options.lr0, momentum=options.momentum, nesterov=True, foreach=True)


@dataclass(frozen=True)
class Schedule:
    """Learning rate, momentum and images per step over the batches of a training.

    Attributes:
        options: Start, end and warm-up.
        epochs: Of the whole training.
        batches: In an epoch.
        batch: Images in a batch.
        cosine: The rate falls along a cosine instead of a line.
        nominal_batch: Images that a step is made of, as nearly as whole batches allow.
    """

    options: OptimiserOptions
    epochs: int
    batches: int
    batch: int
    cosine: bool
    nominal_batch: int = NOMINAL_BATCH

    @property
    def warmup(self) -> int:
        """Batches in which the rates rise."""
        if self.options.warmup_epochs == 0:
            return 0
        wanted = max(round(self.options.warmup_epochs * self.batches), _LEAST_WARMUP_BATCHES)
        return min(wanted, self.epochs * self.batches // 2)

    @property
    def accumulated(self) -> int:
        """Batches that a step is made of, after warm-up."""
        return max(1, round(self.nominal_batch / self.batch))

    def factor(self, epochs_done: float) -> float:
        """Learning rate after so many epochs, as a fraction of ``lr0``.

        It falls with every batch, not from epoch to epoch as YOLOv5's: short trainings end slowly too.
        """
        passed = epochs_done / self.epochs
        left = (1 + math.cos(passed * math.pi)) / 2 if self.cosine else 1 - passed
        return left * (1 - self.options.lrf) + self.options.lrf

    def apply(self, optimiser: torch.optim.Optimizer, epoch: int, index: int) -> int:
        """Sets the rates for a batch.

        Args:
            optimiser: Of `create_optimiser`.
            epoch: From 0.
            index: Of the batch in its epoch.

        Returns:
            How many batches the next step is made of.
        """
        options, done = self.options, epoch * self.batches + index
        rate = options.lr0 * self.factor(done / self.batches)
        if done > self.warmup or not self.warmup:
            for group in optimiser.param_groups:
                group["lr"] = rate
                _set_momentum(group, options.momentum)
            return self.accumulated
        share = done / self.warmup
        for group in optimiser.param_groups:
            start = options.warmup_bias_lr if group.get("is_bias") else 0.0
            group["lr"] = start + (rate - start) * share
            _set_momentum(
                group, options.warmup_momentum + (options.momentum - options.warmup_momentum) * share
            )
        return max(1, round(1 + (self.nominal_batch / self.batch - 1) * share))


def _set_momentum(group: dict[str, object], momentum: float) -> None:
    if "momentum" in group:
        group["momentum"] = momentum
