"""The same numbers from the same seed."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from yolo_edge import _core

__all__ = ["available_cpus", "deterministic"]


def available_cpus() -> int:
    """How many CPUs this process may use, a container's quota included."""
    topology = _core.CpuTopology.read()
    allowed = len(topology.allowed) or os.cpu_count() or 1
    return allowed if topology.quota_cpus is None else max(1, min(allowed, math.floor(topology.quota_cpus)))


@contextmanager
def deterministic(threads: int) -> Iterator[None]:
    """Torch computes with so many threads and adds in a fixed order; what was set before comes back.

    Args:
        threads: Of torch.
    """
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    memory: Any = torch.utils.deterministic
    fill = memory.fill_uninitialized_memory
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    # It would only cost time: nothing here reads memory that was not written.
    memory.fill_uninitialized_memory = False
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1])
        memory.fill_uninitialized_memory = fill
