"""What the optimiser is told, under the names of YOLOv5's hyper-parameters."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["NOMINAL_BATCH", "OptimiserOptions"]

#: Images that a step is usually made of; the hyper-parameters are meant for it.
NOMINAL_BATCH = 64


@dataclass(frozen=True)
class OptimiserOptions:
    """Learning rate and its course; the defaults are those of YOLOv5's ``hyp.scratch-low``."""

    lr0: float = 0.01
    """Learning rate after warm-up."""

    lrf: float = 0.01
    """Learning rate at the end, as a fraction of ``lr0``."""

    momentum: float = 0.937
    """Of SGD; of AdamW the first beta."""

    weight_decay: float = 0.0005
    """For batches of 64 images; norms and biases have none."""

    warmup_epochs: float = 3.0
    """Epochs in which learning rate and momentum rise: at least 100 batches, at most half of the training."""

    warmup_momentum: float = 0.8
    """Momentum of SGD at the start; the betas of AdamW stay."""

    warmup_bias_lr: float = 0.1
    """Learning rate of the biases at the start; it falls to ``lr0``, while the others rise from 0.
    A step of AdamW is about as long as its rate, whatever the gradient: give it 0."""
