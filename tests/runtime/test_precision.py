from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path

import numpy as np
import pytest
from runtimes import RUNTIMES, runtime_options

from yolo_edge import DetectOptions, Detector, _core, load_bundle
from yolo_edge.engines import choose_precision, select_target
from yolo_edge.errors import BundleError


@pytest.mark.parametrize("name", RUNTIMES)
def test_auto_is_exact_where_half_precision_would_not_pay(tiny_bundle: Path, name: str) -> None:
    with Detector(tiny_bundle, **runtime_options(name)) as detector:
        half = name.startswith("ncnn") and _core.has_half_precision_arithmetic()
        assert detector.compute == ("fp16-storage" if half else "fp32")


@pytest.mark.parametrize("name", ["ncnn", "ncnn native"])
@pytest.mark.parametrize("precision", ["fp32", "fp16-storage", "bf16"])
def test_ncnn_runs_in_what_was_asked(tiny_bundle: Path, name: str, precision: str) -> None:
    with Detector(tiny_bundle, **runtime_options(name), precision=precision) as detector:
        assert detector.compute == precision
        tensor = np.random.default_rng(0).random((1, 3, 64, 96), np.float32)
        heads = detector.compute_heads(tensor)
    with Detector(tiny_bundle, engine="onnxruntime") as exact:
        worst = max(np.abs(a - b).max() for a, b in zip(heads, exact.compute_heads(tensor)))
    assert worst <= detector.head_tolerance


@pytest.mark.parametrize("name", RUNTIMES)
@pytest.mark.parametrize(
    ("precision", "error", "text"),
    [
        pytest.param("int3", ValueError, "precision is 'int3'; it must be one of auto, fp32", id="unknown"),
        pytest.param(
            "fp16", (ValueError, BundleError), "has no precision|verified in fp32", id="needs a gate"
        ),
    ],
)
def test_refused(tiny_bundle: Path, name: str, precision: str, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        Detector(tiny_bundle, **runtime_options(name), precision=precision)


def test_the_engine_is_named_that_lacks_it(tiny_bundle: Path) -> None:
    target = select_target(load_bundle(tiny_bundle), "onnxruntime")
    with pytest.raises(ValueError, match="engine 'onnxruntime' has no precision 'bf16'; it has: fp32"):
        choose_precision(target, "bf16")


def test_both_runtimes_have_the_same_defaults() -> None:
    options = {field.name: field.default for field in dataclasses.fields(DetectOptions)}
    parameters = inspect.signature(Detector).parameters
    for name in ("engine", "precision"):
        options[name] = parameters[name].default
    if not _core.native_engines:
        pytest.skip("yolo_edge._core was built without the native runtime (scripts/test builds it in)")
    native = {key: value for key, value in _core.native_defaults.items() if key != "classes"}
    assert options.pop("classes") is None
    assert _core.native_defaults["classes"] is None
    for key in ("conf", "iou"):  # float and double
        assert options.pop(key) == pytest.approx(native.pop(key))
    assert options == native
