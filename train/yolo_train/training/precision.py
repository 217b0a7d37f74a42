"""Whether bf16 makes training faster on this CPU."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from yolo_export.models import Network

__all__ = ["autocast", "choose_precision"]

_ROUNDS = 3
#: A trial on one batch is not worth much less than this.
_LEAST_GAIN = 0.9


def choose_precision(wanted: str, network: Network, batch: int, imgsz: int) -> tuple[str, str]:
    """Settles ``auto``.

    Args:
        wanted: ``auto``, ``fp32`` or ``bf16``.
        network: Its numbers are left as they were.
        batch: Images of a trial.
        imgsz: Their side in px.

    Returns:
        ``fp32`` or ``bf16``, and why.
    """
    if wanted != "auto":
        return wanted, "as asked for"
    if not _has_bf16():
        return "fp32", "this CPU has no instructions for bf16"
    network.train()
    saved = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    images = torch.rand(batch, 3, imgsz, imgsz, generator=torch.Generator().manual_seed(0))
    images = images.contiguous(memory_format=torch.channels_last)
    seconds: dict[str, list[float]] = {"fp32": [], "bf16": []}
    for turn in range(_ROUNDS + 1):
        for precision, times in seconds.items():
            started = time.perf_counter()
            with autocast(precision):
                heads = network(images)
            sum(head.float().square().mean() for head in heads).backward()
            network.zero_grad(set_to_none=True)
            if turn:  # the first warms up
                times.append(time.perf_counter() - started)
    network.load_state_dict(saved)
    ratio = statistics.median(b / f for f, b in zip(seconds["fp32"], seconds["bf16"]))
    return (
        "bf16" if ratio <= _LEAST_GAIN else "fp32"
    ), f"bf16 took {ratio:.2f} of the time of fp32 in a trial"


def _has_bf16() -> bool:
    """Whether torch's convolutions can compute in bf16 at all."""
    supported: bool = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return supported


@contextmanager
def autocast(precision: str) -> Iterator[None]:
    """Forward passes inside are computed in this precision."""
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        yield
