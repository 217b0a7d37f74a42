"""The automatic mode of int8: the fewest layers in float with which the gate opens."""

from __future__ import annotations

from collections.abc import Callable

from yolo_export.gate import Gate
from yolo_export.quantize import AutomaticResult, fewest_float_layers, layer_noise, noisiest_first
from yolo_export.targets import Quantization
from yolo_export.trial import Trial
from yolo_export.yardstick import figure_of

__all__ = ["choose_float_layers"]


def choose_float_layers(
    trial: Trial, how: Quantization, gate: Gate, progress: Callable[[str], None] = lambda _: None
) -> AutomaticResult:
    """Find the fewest convolutions that have to stay in float, by the gate's figure in the target's engine.

    The gate's other condition, time, is no reason for float: what is too slow in int8 is refused later.

    Args:
        trial: Makes the target.
        how: How int8 is made.
        gate: What it has to pass.
        progress: Gets a short line before each long step.
    """
    exact = trial.exact(progress)
    progress("measuring float32")
    least = figure_of(gate.yardstick, exact, "fp32") - gate.yardstick.limit(gate.max_drop)

    def passes(keep_float: tuple[str, ...]) -> bool:
        made = trial.quantized(how, keep_float)
        return figure_of(gate.yardstick, made, "int8") >= least

    def order() -> list[str]:
        return noisiest_first(layer_noise(trial.model, how.calibration, how.method, progress))

    return fewest_float_layers(passes, order, progress)
