"""What leaving layers in float gains, and which few of them have to stay in float."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from yolo_export.gate_options import DEFAULT_LIMIT_S
from yolo_export.quantize.sensitivity import LayerNoise

__all__ = ["AutomaticResult", "fewest_float_layers", "noisiest_first", "with_gains"]


@dataclass(frozen=True)
class AutomaticResult:
    """What `fewest_float_layers` found.

    Attributes:
        kept: The convolutions that stay in float; where no choice passed, those of the last.
        passed: Whether the gate let it through; otherwise no choice in the given time did.
        tried: Choices by number of layers in float, and whether the gate let each through.
    """

    kept: tuple[str, ...]
    passed: bool
    tried: Mapping[int, bool]


def noisiest_first(rows: Sequence[LayerNoise]) -> list[str]:
    """Names of the layers, that of the noisiest first."""
    return [row.name for row in sorted(rows, key=lambda row: row.own_db)]


def with_gains(
    rows: Sequence[LayerNoise],
    score: Callable[[tuple[str, ...]], float],
    whole: float,
    progress: Callable[[str], None] = lambda _: None,
    *,
    limit_s: float = DEFAULT_LIMIT_S,
) -> list[LayerNoise]:
    """Measure what leaving one convolution in float gains, the noisiest first, while there is time.

    Args:
        rows: From `layer_noise`.
        score: How good the network is with some convolutions in float; for example its average precision.
        whole: The score with none in float.
        progress: Gets a short line before each layer.
        limit_s: No further layer is tried after so many seconds.

    Returns:
        The rows in the order given.
    """
    ends = time.monotonic() + limit_s
    gains: dict[str, float] = {}
    for number, name in enumerate(noisiest_first(rows), 1):
        if time.monotonic() >= ends:
            break
        progress(f"measuring with {name} in float, {number} of {len(rows)}")
        gains[name] = score((name,)) - whole
    return [replace(row, gain=gains.get(row.name)) for row in rows]


def fewest_float_layers(
    passes: Callable[[tuple[str, ...]], bool],
    order: Callable[[], Sequence[str]],
    progress: Callable[[str], None] = lambda _: None,
    *,
    limit_s: float = DEFAULT_LIMIT_S,
) -> AutomaticResult:
    """Find the fewest convolutions that have to stay in float for a gate to let the model through.

    The noisiest layers are put into float first: none, one, two, four and so on until the gate opens, then by
    bisection between the last that was refused and the first that passed.

    Args:
        passes: The gate: whether the model is good enough with these convolutions in float.
        order: All convolutions, the noisiest first; asked for if the gate refuses the model with none in
            float.
        progress: Gets a short line before each try.
        limit_s: No further choice is tried after so many seconds.
    """
    ends = time.monotonic() + limit_s
    tried: dict[int, bool] = {}
    names: Sequence[str] = ()
    last: tuple[str, ...] = ()
    best: tuple[str, ...] | None = None

    def opens(count: int) -> bool:
        nonlocal best, last
        last = tuple(names[:count])
        progress(f"trying int8 with {count} layers in float")
        tried[count] = passes(last)
        if tried[count]:
            best = last
        return tried[count]

    if not opens(0):
        names = order()
        refused, count = 0, 1
        while refused < len(names) and time.monotonic() < ends and not opens(count):
            refused, count = count, min(2 * count, len(names))
        while best is not None and count - refused > 1 and time.monotonic() < ends:
            middle = (refused + count) // 2
            if opens(middle):
                count = middle
            else:
                refused = middle
    return AutomaticResult(last if best is None else best, best is not None, tried)
