"""How much each quantised convolution costs, and which few of them should stay in float."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from yolo_edge.packages import require
from yolo_export.quantize.calibration import Calibration
from yolo_export.quantize.onnx_int8 import map_ranges, quantize_with_ranges, quantized_layers
from yolo_export.quantize.ranges import DEFAULT_METHOD

__all__ = [
    "AutomaticResult",
    "LayerNoise",
    "draw_sensitivity",
    "fewest_float_layers",
    "layer_noise",
    "sensitivity_table",
    "with_gains",
]

_INSTALL = "pip install 'yolo-edge[export]'"
_IMAGES = 8
"""The noise of a layer over thousands of pixels is known after a few images."""


@dataclass(frozen=True)
class LayerNoise:
    """What quantising one convolution costs.

    Attributes:
        name: The convolution's.
        own_db: Signal to noise of the heads when it alone is quantised, in dB, the worst head; infinite where
            nothing changes.
        through_db: Signal to noise of its output in the network that is quantised as a whole, in dB.
        gain: By how much a score rises when it alone stays in float; None where that was not measured.
    """

    name: str
    own_db: float
    through_db: float
    gain: float | None = None


@dataclass(frozen=True)
class AutomaticResult:
    """What `fewest_float_layers` found.

    Attributes:
        model: The quantised ONNX file.
        kept: The convolutions that stay in float.
        passed: Whether the gate let it through; otherwise no choice in the given time did.
        tried: Choices by number of layers in float, and whether the gate let each through.
    """

    model: bytes
    kept: tuple[str, ...]
    passed: bool
    tried: Mapping[int, bool]


def layer_noise(
    model: bytes,
    calibration: Calibration,
    method: str = DEFAULT_METHOD,
    progress: Callable[[str], None] = lambda _: None,
    *,
    images: int = _IMAGES,
) -> list[LayerNoise]:
    """Measure each convolution on calibration images.

    Args:
        model: An ONNX file, as `quantize_onnx` takes it.
        calibration: Images; the first of them are looked at.
        method: As for `quantize_onnx`.
        progress: Gets a short line before each layer.
        images: How many images are looked at.

    Returns:
        One row for each convolution, in the order of the graph.

    Raises:
        ValueError: No image is to be looked at; an unknown method.
    """
    if images < 1:
        raise ValueError(f"images is {images}; it must be at least 1")
    names = quantized_layers(model)
    tensors = list(islice(calibration.tensors(), images))
    outputs = _outputs(model, names)
    ranges = map_ranges(model, calibration, method, progress)
    whole = quantize_with_ranges(model, ranges)
    through = _decibels(
        _run(_with_outputs(model, list(outputs.values())), tensors),
        _run(_with_outputs(whole, names, by_operator=True), tensors),
    )
    wanted = list(_run(model, tensors))
    rows = []
    for number, name in enumerate(names):
        progress(f"layer {number + 1} of {len(names)}: {name}")
        others = [other for other in names if other != name]
        alone = quantize_with_ranges(model, ranges, others)
        rows.append(LayerNoise(name, min(_decibels(wanted, _run(alone, tensors))), through[number]))
    return rows


def with_gains(
    rows: Sequence[LayerNoise],
    model: bytes,
    calibration: Calibration,
    score: Callable[[bytes], float],
    method: str = DEFAULT_METHOD,
    progress: Callable[[str], None] = lambda _: None,
    *,
    limit_s: float = 600.0,
) -> list[LayerNoise]:
    """Measure what leaving one convolution in float gains, the noisiest first, while there is time.

    Args:
        rows: From `layer_noise`.
        model: As there.
        calibration: As there.
        score: Takes a quantised ONNX file; for example its average precision.
        method: As there.
        progress: Gets a short line before each layer.
        limit_s: No further layer is tried after so many seconds.

    Returns:
        The rows in the order given.
    """
    ends = time.monotonic() + limit_s
    ranges = map_ranges(model, calibration, method, progress)
    whole = score(quantize_with_ranges(model, ranges))
    gains: dict[str, float] = {}
    for row in sorted(rows, key=lambda row: row.own_db):
        if time.monotonic() >= ends:
            break
        progress(f"score with {row.name} in float")
        gains[row.name] = score(quantize_with_ranges(model, ranges, [row.name])) - whole
    return [replace(row, gain=gains.get(row.name)) for row in rows]


def fewest_float_layers(
    model: bytes,
    calibration: Calibration,
    gate: Callable[[bytes], bool],
    method: str = DEFAULT_METHOD,
    progress: Callable[[str], None] = lambda _: None,
    *,
    noise: Sequence[LayerNoise] | None = None,
    limit_s: float = 600.0,
) -> AutomaticResult:
    """Find the fewest convolutions that have to stay in float for a gate to let the model through.

    The noisiest layers are put into float first: none, one, two, four and so on until the gate opens, then by
    bisection between the last that was refused and the first that passed.

    Args:
        model: An ONNX file, as `quantize_onnx` takes it.
        calibration: Images.
        gate: Takes a quantised ONNX file; whether it is good enough.
        method: As for `quantize_onnx`.
        progress: Gets a short line before each long step.
        noise: From `layer_noise`; None measures it if the gate refuses the fully quantised model.
        limit_s: No further choice is tried after so many seconds.
    """
    ends = time.monotonic() + limit_s
    tried: dict[int, bool] = {}
    last: tuple[bytes, tuple[str, ...]] = (b"", ())
    best: tuple[bytes, tuple[str, ...]] | None = None
    order: list[str] = []
    ranges = map_ranges(model, calibration, method, progress)

    def passes(count: int) -> bool:
        nonlocal best, last
        kept = tuple(order[:count])
        progress(f"trying with {count} layers in float")
        last = quantize_with_ranges(model, ranges, kept), kept
        tried[count] = bool(gate(last[0]))
        if tried[count]:
            best = last
        return tried[count]

    if not passes(0):
        rows = layer_noise(model, calibration, method, progress) if noise is None else noise
        order = [row.name for row in sorted(rows, key=lambda row: row.own_db)]
        refused, count = 0, 1
        while time.monotonic() < ends and not passes(count):
            refused = count
            if count == len(order):
                break
            count = min(2 * count, len(order))
        while best is not None and count - refused > 1 and time.monotonic() < ends:
            middle = (refused + count) // 2
            if passes(middle):
                count = middle
            else:
                refused = middle
    found, kept = best if best is not None else last
    return AutomaticResult(found, kept, best is not None, tried)


def sensitivity_table(rows: Sequence[LayerNoise]) -> str:
    """The report as text, the noisiest layer first."""
    width = max([5, *(len(row.name) for row in rows)])
    lines = [f"{'layer':<{width}}  alone, dB  in all, dB  gain in float"]
    lines += [
        f"{row.name:<{width}}  {row.own_db:9.1f}  {row.through_db:10.1f}  "
        + ("            -" if row.gain is None else f"{row.gain:+13.4f}")
        for row in sorted(rows, key=lambda row: row.own_db)
    ]
    return "\n".join(lines)


def draw_sensitivity(rows: Sequence[LayerNoise], path: Path) -> None:
    """Write the report as a chart, PNG, one bar for each layer in the order of the graph.

    Raises:
        ValueError: There are no layers.
        MissingExtraError: matplotlib is not installed.
    """
    if not rows:
        raise ValueError("there are no layers to draw")
    require("matplotlib", "the chart of layers", "pip install 'yolo-edge[plot]'")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 1.5 + 0.16 * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    places = np.arange(len(rows))
    finite = [row.own_db for row in rows if np.isfinite(row.own_db)]
    highest = max(finite, default=0.0)
    axes.barh(places, [min(row.own_db, highest) for row in rows], label="it alone quantised, at the heads")
    axes.plot([row.through_db for row in rows], places, "k.", label="all quantised, at its output")
    axes.set_yticks(places, [row.name for row in rows], fontsize=6)
    axes.invert_yaxis()
    axes.set_xlabel("signal to noise, dB (less is worse)")
    axes.legend(loc="lower right", fontsize=7)
    figure.savefig(path, dpi=120, format="png")


def _outputs(model: bytes, names: Sequence[str]) -> dict[str, str]:
    """The map that each operator of these names computes."""
    onnx = require("onnx", "looking at layers", _INSTALL)
    made = {node.name: node.output[0] for node in onnx.load_from_string(model).graph.node}
    return {name: made[name] for name in names}


def _with_outputs(model: bytes, wanted: Sequence[str], *, by_operator: bool = False) -> bytes:
    """The graph with maps, or the maps that operators compute, as its only outputs."""
    onnx = require("onnx", "looking at layers", _INSTALL)
    loaded = onnx.load_from_string(model)
    made = _outputs(model, wanted) if by_operator else {name: name for name in wanted}
    del loaded.graph.output[:]
    for name in wanted:
        value = onnx.helper.make_tensor_value_info(made[name], onnx.TensorProto.FLOAT, None)
        loaded.graph.output.append(value)
    data: bytes = loaded.SerializeToString()
    return data


def _run(model: bytes, tensors: Sequence[npt.NDArray[np.float32]]) -> Iterator[list[npt.NDArray[np.float32]]]:
    """The outputs for each tensor."""
    ort = require("onnxruntime", "looking at layers", _INSTALL)
    options: Any = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(model, sess_options=options, providers=["CPUExecutionProvider"])
    feed = session.get_inputs()[0].name
    for tensor in tensors:
        yield session.run(None, {feed: tensor})


def _decibels(
    wanted: Iterable[list[npt.NDArray[np.float32]]], found: Iterable[list[npt.NDArray[np.float32]]]
) -> list[float]:
    """Signal to noise of each output over all images."""
    signal: Any = 0.0
    noise: Any = 0.0
    for truth, other in zip(wanted, found):
        signal = signal + np.array([np.square(each, dtype=np.float64).sum() for each in truth])
        noise = noise + np.array([np.square(b.astype(np.float64) - a).sum() for a, b in zip(truth, other)])
    with np.errstate(divide="ignore"):
        return [float(each) for each in 10 * np.log10(signal / noise)]
