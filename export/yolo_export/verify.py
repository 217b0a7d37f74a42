"""Runs an exported target in its real engine and compares it with the source."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from yolo_edge.bundle import ModelInput, load_bundle
from yolo_edge.checking.agreement import agreement_with_heads
from yolo_edge.checking.bundle_check import check_bundle, min_box_agreement
from yolo_edge.checking.head_error import max_head_error
from yolo_edge.detector import Detector
from yolo_edge.options import INT8_PRECISIONS, DetectOptions
from yolo_edge.scene import draw_scene
from yolo_export.errors import ExportError
from yolo_export.expected import Expected, compute_expected
from yolo_export.gate import GateResult
from yolo_export.source import Source

_SCENES = ((9, 16), (4, 3), (1, 1))
"""Height to width of the pictures: three different shapes of the input tensor."""

_ANY_ERROR = 1e30
"""Larger than any that is a number: heads that are none are refused in every precision."""

_TIMED_RUNS = 5


@dataclass(frozen=True)
class Verification:
    """How an exported target compares with its source."""

    engine: str
    weights: str
    compute: str
    max_head_error: float
    """Largest difference of a raw head value, over the golden and all other pictures."""
    mean_head_error: float
    """Mean absolute difference of a raw head value over the golden picture."""
    box_agreement: float
    """Smallest share of equal boxes over all pictures."""
    inference_ms: float
    """Median time of the network at the size of the first picture."""
    timed_hw: tuple[int, int]
    gate: GateResult | None = None
    """What its gate measured."""
    forced: bool = False
    """Whether it is written although it did not pass."""
    float_layers: tuple[str, ...] = ()
    """Convolutions of an int8 target that stayed in float."""

    def to_dict(self) -> dict[str, Any]:
        """A row of the bundle's ``verification``; times are left out, for they are not the board's."""
        mean = float(f"{self.mean_head_error:.3g}")
        return {
            "engine": self.engine,
            "weights": self.weights,
            "compute": self.compute,
            "max_head_error": float(f"{self.max_head_error:.3g}"),
            **({"mean_head_error": mean} if self.weights in INT8_PRECISIONS else {}),
            "box_agreement": round(self.box_agreement, 4),
            **({"float_layers": list(self.float_layers)} if self.float_layers else {}),
            **(self.gate.to_dict(self.forced) if self.gate is not None else {}),
        }


def expected_results(source: Source, model_input: ModelInput) -> list[Expected]:
    """The source's results for pictures of several shapes at the bundle's size."""
    largest = max(model_input.size_hw)
    results = []
    for seed, (rows, columns) in enumerate(_SCENES):
        unit = round(1.2 * largest / max(rows, columns))
        image = draw_scene((unit * rows, unit * columns), seed)
        results.append(compute_expected(source, model_input, image, model_input.size_hw))
    return results


def verify_target(
    folder: Path, engine: str, weights: str, expected: list[Expected], kind: str
) -> Verification:
    """Verifies one target of a bundle folder.

    Args:
        folder: A complete bundle.
        engine: Which of its targets.
        weights: The number type of that target's weights.
        expected: The source's results, from :func:`expected_results`.
        kind: What to call the source in messages.

    Raises:
        ExportError: The target differs from its source by more than the engine's tolerance.
    """
    bundle = load_bundle(folder)
    kinds = {(target.engine, target.weights): target for target in bundle.targets}
    bundle = bundle.only(kinds[engine, weights])
    # What 8 bits make of the heads is for the gate to judge; here it is only measured.
    judged_here = weights not in INT8_PRECISIONS
    precision = "fp32" if judged_here else weights
    if not judged_here:
        row = {"engine": engine, "weights": weights, "compute": precision}
        anything = {"max_head_error": _ANY_ERROR, "mean_head_error": _ANY_ERROR, "box_agreement": 0.0}
        bundle = replace(bundle, verification=({**row, **anything},))
    golden = check_bundle(bundle, engine, precision=precision)
    errors, agreements = [golden.max_head_error], [golden.box_agreement]
    with Detector(bundle, engine=engine, precision=precision, letterbox="rect") as detector:
        for truth in expected:
            heads = detector.compute_heads(truth.tensor)
            errors.append(max_head_error(heads, truth.heads))
            options = DetectOptions(conf=truth.conf)
            found = detector.detect(truth.image, options=options)
            agreements.append(
                agreement_with_heads(
                    found,
                    truth.detections,
                    bundle,
                    truth.heads,
                    tensor_hw=(truth.tensor.shape[2], truth.tensor.shape[3]),
                    source_hw=truth.image.shape[:2],
                    options=options,
                    head_tolerance=detector.head_tolerance,
                )
            )
        result = Verification(
            engine=engine,
            weights=detector.target.weights,
            compute=detector.compute,
            max_head_error=max(errors),
            mean_head_error=golden.mean_head_error,
            box_agreement=min(agreements),
            inference_ms=_median_ms(detector, expected[0].tensor),
            timed_hw=(expected[0].tensor.shape[2], expected[0].tensor.shape[3]),
        )
        tolerance, least = detector.head_tolerance, min_box_agreement(detector)
    if not golden.letterbox_exact:
        raise ExportError("the letterbox of this machine differs between two runs; please report this")
    if not (result.max_head_error <= tolerance and result.box_agreement >= least):
        raise ExportError(
            f"{engine} with {weights} weights does not compute what the {kind} does: raw heads differ by up "
            f"to {result.max_head_error:.2g} (allowed: {tolerance:.0e}), {result.box_agreement:.1%} of the "
            f"boxes agree (needed: {least:.0%}). Nothing was replaced."
        )
    return result


def _median_ms(detector: Detector, tensor: npt.NDArray[np.float32]) -> float:
    durations = []
    for _ in range(_TIMED_RUNS):
        started = time.perf_counter()
        detector.compute_heads(tensor)
        durations.append((time.perf_counter() - started) * 1e3)
    return sorted(durations)[_TIMED_RUNS // 2]
