"""Which range of each map of a graph the 256 levels of an integer cover, measured on calibration images."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from yolo_edge.packages import require
from yolo_export.errors import ConversionError
from yolo_export.quantize.calibration import Calibration

__all__ = [
    "METHODS",
    "Activation",
    "Distribution",
    "Floats",
    "MapRange",
    "cache_folder",
    "check_method",
    "measure",
    "range_of",
]

_INSTALL = "pip install 'yolo-edge[export]'"
_FORMAT = 2
"""Of the files in the cache; another number, another name."""
_BINS = 8192
_LEVELS = 256
_SHARES = tuple(np.linspace(0.04, 1.0, 25).tolist())
_ROUNDS = 2
"""Method mse narrows the range by each of these shares, above and below in turn."""
_SMALLEST_SHARE = 1e-9
"""Method entropy takes it for a bin that quantisation leaves empty."""
_SHARE = 0.9999
"""Of the values, by method percentile, lies inside the range; half of the others on each side."""

_IMAGE_DIMENSIONS = 4

Floats = npt.NDArray[np.float64]
Activation = Callable[[Floats], Floats]


@dataclass(frozen=True)
class MapRange:
    """What the 256 levels of one map cover.

    Attributes:
        low: Lowest value, at most 0.
        high: Highest value, at least 0.
        means: Of each channel's values, (channels,); empty where there are no channels.
    """

    low: float
    high: float
    means: Floats


@dataclass
class Distribution:
    """How the values of one map are distributed.

    Attributes:
        lowest: Smallest value seen.
        highest: Largest value seen.
        limit: The bins cover -limit to limit in equal steps. It is a power of two.
        counts: Values in each bin, int64.
        channel_sums: Of the values of each channel, (channels,); empty where the values had none.
    """

    lowest: float
    highest: float
    limit: float
    counts: npt.NDArray[np.int64]
    channel_sums: Floats

    @classmethod
    def empty(cls) -> Distribution:
        """One that has seen no value."""
        return cls(np.inf, -np.inf, 2.0**-20, np.zeros(_BINS, np.int64), np.zeros(0))

    def add(self, values: npt.NDArray[np.float32]) -> None:
        """Count values; the bins grow by merging neighbours until they cover all.

        Args:
            values: (1, channels, height, width), or of any other shape, which has no channels.

        Raises:
            ConversionError: A value is not finite.
        """
        if not values.size:
            return
        lowest, highest = float(values.min()), float(values.max())
        if not np.isfinite(lowest) or not np.isfinite(highest):
            raise ConversionError("the network computes values that are not finite on a calibration image")
        self.lowest, self.highest = min(self.lowest, lowest), max(self.highest, highest)
        while max(-lowest, highest) >= self.limit:
            merged = self.counts.reshape(-1, 2).sum(1)
            quarter = np.zeros(_BINS // 4, np.int64)
            self.counts = np.concatenate([quarter, merged, quarter])
            self.limit *= 2
        places = ((values.reshape(-1) + self.limit) * (_BINS / 2 / self.limit)).astype(np.int32)
        # float32 rounds a value just below the limit up to it.
        self.counts += np.bincount(np.minimum(places, _BINS - 1), minlength=_BINS)
        if values.ndim == _IMAGE_DIMENSIONS:
            sums = values.sum((0, 2, 3), dtype=np.float64)
            self.channel_sums = self.channel_sums + sums if self.channel_sums.size else sums

    @property
    def centres(self) -> npt.NDArray[np.float64]:
        """The middle of each bin."""
        width = 2 * self.limit / _BINS
        centres: Floats = (np.arange(_BINS, dtype=np.float64) + 0.5) * width - self.limit
        return centres

    @property
    def means(self) -> Floats:
        """Of each channel's values, (channels,)."""
        means: Floats = self.channel_sums * (self.channel_sums.size / max(1, int(self.counts.sum())))
        return means


def measure(
    model: bytes,
    calibration: Calibration,
    progress: Callable[[str], None] = lambda _: None,
    *,
    cache: Path | None = None,
) -> dict[str, Distribution]:
    """Run a network on the calibration images and count the values of every float map.

    What was measured is kept in the user's cache folder under the hash of the model and the images' content,
    so that another method or other layers left in float cost no second run.

    Args:
        model: An ONNX file.
        calibration: The images.
        progress: Gets a short line before each image.
        cache: Where measurements are kept; None means ``yolo-edge/calibration`` in the user's cache folder.

    Returns:
        By name of the map, the input among them.

    Raises:
        CalibrationError: An image does not decode.
        ConversionError: A value is not finite.
        MissingExtraError: A package of the extra ``export`` is not installed.
    """
    key = hashlib.sha256(f"{_FORMAT} {_BINS} {calibration.sha256} ".encode() + model).hexdigest()
    place = (cache if cache is not None else cache_folder()) / f"{key}.npz"
    kept = _load(place)
    if kept is not None:
        progress("calibration: measured before")
        return kept
    onnx = require("onnx", "calibration", _INSTALL)
    ort = require("onnxruntime", "calibration", _INSTALL)
    graph_model = onnx.shape_inference.infer_shapes(onnx.load_from_string(model))
    graph = graph_model.graph
    known = {output.name for output in graph.output}
    maps = [
        value
        for value in graph.value_info
        if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT and value.name not in known
    ]
    made = {name for node in graph.node for name in node.output if node.op_type != "Constant"}
    graph.output.extend(value for value in maps if value.name in made)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(
        graph_model.SerializeToString(), sess_options=options, providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    feed = session.get_inputs()[0].name
    distributions = {name: Distribution.empty() for name in (feed, *names)}
    for tensor in calibration.tensors(progress):
        distributions[feed].add(tensor)
        for name, values in zip(names, session.run(names, {feed: tensor})):
            distributions[name].add(values)
    _save(place, distributions)
    return distributions


def range_of(
    distribution: Distribution, method: str, activation: Activation = lambda values: values
) -> tuple[float, float]:
    """The range that a method covers; zero always lies in it.

    Args:
        distribution: Of the map's values.
        method: A key of `METHODS`.
        activation: What the map goes through next. Only method ``mse`` minds it.

    Raises:
        ValueError: The method is unknown.
    """
    check_method(method)
    low, high = METHODS[method](distribution, activation)
    return min(low, 0.0), max(high, 0.0)


def check_method(method: str) -> None:
    """Refuse an unknown method.

    Raises:
        ValueError: Names the known ones.
    """
    if method not in METHODS:
        raise ValueError(
            f"unknown calibration method {method!r}; known methods: {', '.join(sorted(METHODS))}"
        )


def _min_max(distribution: Distribution, _: Activation) -> tuple[float, float]:
    return distribution.lowest, distribution.highest


def _percentile(distribution: Distribution, _: Activation) -> tuple[float, float]:
    total = np.cumsum(distribution.counts)
    tail = (1 - _SHARE) / 2 * total[-1]
    width = 2 * distribution.limit / _BINS
    low = int(np.searchsorted(total, tail, side="right")) * width - distribution.limit
    high = (int(np.searchsorted(total, total[-1] - tail)) + 1) * width - distribution.limit
    return max(low, distribution.lowest), min(high, distribution.highest)


def _entropy(distribution: Distribution, _: Activation) -> tuple[float, float]:
    """The magnitude at which the clipped and quantised distribution diverges least from the clipped one.

    After S. Migacz, "8-bit Inference with TensorRT", 2017.
    """
    half = _BINS // 2
    counts = (distribution.counts[half:] + distribution.counts[:half][::-1]).astype(np.float64)
    # A map behind ReLU is half zeros, which every range holds exactly; they would outweigh all else.
    counts[0] = counts[1]
    if not counts.any():
        return distribution.lowest, distribution.highest
    used = int(np.flatnonzero(counts)[-1]) + 1
    best, best_divergence = used, np.inf
    levels = _LEVELS // 2
    for end in (*range(levels, used, max(1, (used - levels) // 256)), used):
        levels = min(_LEVELS // 2, end)
        clipped = counts[:end].copy()
        tail = counts[end:].sum()
        present = clipped > 0
        edges = np.linspace(0, end, levels + 1).astype(int)
        sums = np.add.reduceat(clipped, edges[:-1])
        filled = np.add.reduceat(present.astype(np.float64), edges[:-1])
        level = np.repeat(np.divide(sums, filled, out=np.zeros(levels), where=filled > 0), np.diff(edges))
        quantised = np.where(present, level, 0.0)
        clipped[-1] += tail
        p, q = clipped / clipped.sum(), quantised / max(quantised.sum(), 1.0)
        taken = p > 0
        # Only the last bin can have clipped values and none of its own.
        divergence = float(np.sum(p[taken] * np.log(p[taken] / np.maximum(q[taken], _SMALLEST_SHARE))))
        if divergence < best_divergence:
            best, best_divergence = end, divergence
    limit = best * distribution.limit / half
    return max(-limit, distribution.lowest), min(limit, distribution.highest)


def _mse(distribution: Distribution, activation: Activation) -> tuple[float, float]:
    """The range with the smallest mean squared error behind the activation.

    SiLU and ReLU make next to nothing of what is far below zero, so 256 levels need not reach there.
    """
    taken = np.flatnonzero(distribution.counts)
    if not taken.size:
        return 0.0, 0.0
    values, counts = distribution.centres[taken], distribution.counts[taken]
    wanted = activation(values)

    def error(low: float, high: float) -> float:
        step = max(high - low, 1e-12) / (_LEVELS - 1)
        zero = np.rint(-low / step)
        levels = np.clip(np.rint(values / step) + zero, 0, _LEVELS - 1) - zero
        return float(((activation(levels * step) - wanted) ** 2 * counts).sum())

    low, high = min(distribution.lowest, 0.0), max(distribution.highest, 0.0)
    for _ in range(_ROUNDS):
        high = min((share * high for share in _SHARES), key=lambda each: error(low, each))
        low = min((share * low for share in _SHARES), key=lambda each: error(each, high))
    return low, high


#: Methods by the name that ``--calib-method`` takes.
METHODS: Mapping[str, Callable[[Distribution, Activation], tuple[float, float]]] = {
    "entropy": _entropy,
    "min-max": _min_max,
    "mse": _mse,
    "percentile": _percentile,
}


def cache_folder() -> Path:
    """Where measurements are kept; it may not exist yet."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "yolo-edge" / "calibration"


def _load(path: Path) -> dict[str, Distribution] | None:
    """What was measured before; None where there is no complete file."""
    try:
        with np.load(path, allow_pickle=False) as file:
            names, facts, counts = file["names"], file["facts"], file["counts"]
            sums = np.split(file["sums"], np.cumsum(file["channels"])[:-1])
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None
    return {
        str(name): Distribution(float(low), float(high), float(limit), row, of_channels)
        for name, (low, high, limit), row, of_channels in zip(names, facts, counts, sums)
    }


def _save(path: Path, distributions: Mapping[str, Distribution]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = {
        "names": np.array(list(distributions)),
        "facts": np.array([[each.lowest, each.highest, each.limit] for each in distributions.values()]),
        "counts": np.array([each.counts for each in distributions.values()]),
        "sums": np.concatenate([each.channel_sums for each in distributions.values()]),
        "channels": np.array([each.channel_sums.size for each in distributions.values()]),
    }
    beside = path.with_name(f".{path.stem}-{os.getpid()}.npz")
    try:
        np.savez_compressed(beside, **arrays)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
