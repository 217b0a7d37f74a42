"""The automatic mode of int8: the fewest layers in float with which the gate opens."""

from __future__ import annotations

from collections.abc import Callable

from yolo_export.gate import Gate
from yolo_export.quantize import AutomaticResult, fewest_float_layers, layer_noise, noisiest_first
from yolo_export.targets import Quantization
from yolo_export.trial import Trial

__all__ = ["choose_float_layers"]


def choose_float_layers(
    trial: Trial, how: Quantization, gate: Gate, progress: Callable[[str], None] = lambda _: None
) -> AutomaticResult:
    """Find the fewest convolutions that have to stay in float, by the gate in the target's own engine.

    Args:
        trial: Makes the target.
        how: How int8 is made.
        gate: What it has to pass.
        progress: Gets a short line before each long step.
    """
    exact = trial.exact(progress)
    value_fp32: float | None = None

    def passes(keep_float: tuple[str, ...]) -> bool:
        nonlocal value_fp32
        made = trial.quantized(how, keep_float, progress)
        result = gate.measure(made, exact, "int8", progress, value_fp32=value_fp32)
        value_fp32 = result.value_fp32
        return not result.refusals

    def order() -> list[str]:
        return noisiest_first(layer_noise(trial.model, how.calibration, how.method, progress))

    return fewest_float_layers(passes, order, progress)
