"""Everything of a training that changes from epoch to epoch, and how it is kept in ``last.pt``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from yolo_export.models import Network
from yolo_train.errors import TrainingError
from yolo_train.report.results import EpochResult
from yolo_train.training.average import MovingAverage
from yolo_train.training.saving import plain_state, restore_state

__all__ = ["TrainingState"]


@dataclass
class TrainingState:
    """Network, optimiser and what has been reached.

    Attributes:
        network: In training.
        average: Its moving average.
        optimiser: Moves the network.
        history: Of the finished epochs.
        best: Index in the history of the best epoch; None before the first.
        class_ap: AP of each class in the last validation; 0 where there was none.
    """

    network: Network
    average: MovingAverage
    optimiser: torch.optim.Optimizer
    history: list[EpochResult] = field(default_factory=list)
    best: int | None = None
    class_ap: list[float] = field(default_factory=list)

    @property
    def next_epoch(self) -> int:
        """The epoch to train next, from 0."""
        return len(self.history)

    @property
    def best_fitness(self) -> float:
        """Of the best epoch; 0 before the first."""
        return 0.0 if self.best is None else self.history[self.best].fitness

    def add(self, result: EpochResult) -> bool:
        """Notes a finished epoch; returns whether it is the best so far."""
        self.history.append(result)
        # Not worse, as the first epochs may all find nothing.
        is_best = self.best is None or result.fitness >= self.best_fitness
        if is_best:
            self.best = len(self.history) - 1
        return is_best

    def stale(self, patience: int) -> bool:
        """Whether there have been ``patience`` epochs without a better one; 0 is no limit."""
        return bool(patience) and self.best is not None and len(self.history) - 1 - self.best >= patience

    def as_plain(self) -> dict[str, Any]:
        """Tensors and plain values; the average's own weights are beside it in ``last.pt``."""
        return {
            "weights": plain_state(self.network),
            "average": plain_state(self.average.network),
            "average_steps": self.average.steps,
            "optimiser": self.optimiser.state_dict(),
            "random": torch.get_rng_state(),
            "history": [result.as_plain() for result in self.history],
            "best": self.best,
            "class_ap": self.class_ap,
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """The inverse of `as_plain`.

        Raises:
            TrainingError: What was saved does not fit the network.
        """
        try:
            restore_state(self.network, saved["weights"])
            restore_state(self.average.network, saved["average"])
            self.average.steps = saved["average_steps"]
            self.optimiser.load_state_dict(saved["optimiser"])
            torch.set_rng_state(saved["random"])
            self.history = [EpochResult.from_plain(row) for row in saved["history"]]
            self.best = saved["best"]
            self.class_ap = saved["class_ap"]
        except (AttributeError, IndexError, KeyError, TypeError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:200]  # torch's has several lines
            raise TrainingError(f"last.pt does not fit its own network: {reason}") from error
