"""How much noise each quantised convolution adds."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from yolo_edge.packages import require
from yolo_export.gate_options import DEFAULT_METHOD
from yolo_export.quantize.calibration import Calibration
from yolo_export.quantize.onnx_int8 import map_ranges, quantize_with_ranges, quantized_layers
from yolo_export.quantize.ranges import cache_folder, check_method

__all__ = ["LayerNoise", "layer_noise"]

_INSTALL = "pip install 'yolo-edge[export]'"
_IMAGES = 8
"""The noise of a layer over thousands of pixels is known after a few images."""
_FORMAT = 1
"""Of the files in the cache; another number for what else is measured, or is quantised in another way."""


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


def layer_noise(
    model: bytes,
    calibration: Calibration,
    method: str = DEFAULT_METHOD,
    progress: Callable[[str], None] = lambda _: None,
    *,
    images: int = _IMAGES,
) -> list[LayerNoise]:
    """Measure each convolution on calibration images; what was measured is kept beside the calibration.

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
    check_method(method)
    facts = f"{_FORMAT} {method} {images} {calibration.sha256} ".encode()
    place = cache_folder() / f"{hashlib.sha256(facts + model).hexdigest()}.noise.json"
    kept = _load(place, names)
    if kept is not None:
        progress("noise of the layers: measured before")
        return kept
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
    _save(place, rows)
    return rows


def _load(path: Path, names: Sequence[str]) -> list[LayerNoise] | None:
    """What was measured before; None where there is no complete file."""
    try:
        rows = [LayerNoise(*row) for row in json.loads(path.read_text(encoding="ascii"))]
    except (OSError, ValueError, TypeError):
        return None
    return rows if [row.name for row in rows] == list(names) else None


def _save(path: Path, rows: Sequence[LayerNoise]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.stem}-{os.getpid()}")
    try:
        beside.write_text(json.dumps([[row.name, row.own_db, row.through_db] for row in rows]), "ascii")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


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
