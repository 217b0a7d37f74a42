from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from yolo_edge.bundle import load_bundle
from yolo_edge.engines import create_engine, engine_class, engine_names, select_target
from yolo_edge.engines.base import SLOTS, Engine, EngineOptions, InferenceThread
from yolo_edge.errors import EngineError, MissingExtraError


@pytest.fixture(params=["onnxruntime", "openvino", "mnn", "ncnn"])
def engine(request: pytest.FixtureRequest, tiny_bundle: Path) -> Engine:
    bundle = load_bundle(tiny_bundle)
    target = select_target(bundle, request.param)
    with create_engine(target, bundle.open_files(target), EngineOptions(threads=1)) as made:
        yield made


def _random(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, np.float32)


def test_unknown_names_list_the_known() -> None:
    with pytest.raises(
        ValueError,
        match=r"unknown engine 'x'; known engines: mnn \(.*\), ncnn \(.* installed\), onnxruntime \(.*\), ",
    ):
        engine_class("x")
    assert sorted(engine_names()) == ["mnn", "ncnn", "onnxruntime", "openvino"]


def test_two_slots_do_not_disturb_each_other(engine: Engine) -> None:
    first, second = engine.acquire((64, 96)), engine.acquire((64, 96))
    first.input[...] = _random(first.input.shape, 1)
    second.input[...] = _random(second.input.shape, 2)
    engine.infer(first)
    kept = [head.copy() for head in first.heads]
    engine.infer(second)
    for before, after, other in zip(kept, first.heads, second.heads):
        assert np.array_equal(before, after)
        assert not np.array_equal(after, other)
    engine.release(first)
    engine.release(second)


def test_a_third_caller_waits_for_a_slot(engine: Engine) -> None:
    slots = [engine.acquire((32, 32)) for _ in range(SLOTS)]
    got: list[object] = []
    waiter = threading.Thread(target=lambda: got.append(engine.acquire((32, 32))))
    waiter.start()
    waiter.join(0.2)
    assert waiter.is_alive()
    engine.release(slots[0])
    waiter.join(10)
    assert got == [slots[0]]


def test_shapes_may_change_and_come_back(engine: Engine) -> None:
    results = []
    for shape in ((64, 96), (32, 32), (128, 64), (64, 96)):
        slot = engine.acquire(shape)
        for _ in range(2):
            slot.input[...] = _random(slot.input.shape, 3)
            engine.infer(slot)
        assert [head.shape for head in slot.heads] == [
            (24, shape[0] // s, shape[1] // s) for s in (8, 16, 32)
        ]
        results.append([head.copy() for head in slot.heads])
        engine.release(slot)
    for before, after in zip(results[0], results[3]):
        assert np.array_equal(before, after)


def test_a_file_that_the_engine_refuses(engine: Engine, tiny_bundle: Path, tmp_path: Path) -> None:
    target = select_target(load_bundle(tiny_bundle), engine.name)
    damaged = tmp_path / "damaged"
    damaged.write_bytes(b"damaged")
    with pytest.raises(EngineError, match=f"{engine.name} cannot load {damaged}"):
        create_engine(target, dict.fromkeys(target.files, damaged), EngineOptions())


@pytest.mark.parametrize("name", ["openvino", "mnn"])
def test_a_tensor_that_the_file_lacks(tiny_bundle: Path, name: str) -> None:
    bundle = load_bundle(tiny_bundle)
    target = select_target(bundle, name)
    first, *others = target.outputs
    other = replace(target, outputs=(replace(first, name="nothing"), *others))
    with pytest.raises(EngineError, match=r"has no tensor nothing; it has: head_16, head_32, head_8, images"):
        create_engine(other, bundle.open_files(target), EngineOptions())


@pytest.mark.parametrize(
    ("version", "holds"),
    [
        pytest.param("1.0.20240820", True, id="older than what is known"),
        pytest.param("1.0.20261020", False, id="known"),
        pytest.param("1.0.20270101", False, id="newer"),
        pytest.param(None, False, id="not installed"),
    ],
)
def test_which_ncnn_lets_python_run(
    monkeypatch: pytest.MonkeyPatch, version: str | None, holds: bool
) -> None:
    kind = engine_class("ncnn")
    monkeypatch.setattr(kind, "version", classmethod(lambda cls: version))
    assert kind.holds_gil() == holds


def test_fp32_means_fp32_in_ncnn(tiny_bundle: Path) -> None:
    bundle = load_bundle(tiny_bundle)
    target = select_target(bundle, "ncnn")
    with create_engine(target, bundle.open_files(target), EngineOptions(threads=3)) as engine:
        option = engine._net.opt
        assert option.num_threads == 3
        half = [name for name in dir(option) if "fp16" in name or "bf16" in name]
        assert len(half) >= 4
        assert [name for name in half if getattr(option, name)] == []


def test_a_missing_package_names_the_command(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, engine: Engine
) -> None:
    import importlib

    real = importlib.import_module

    def without(name: str) -> object:
        if name == engine.package:
            raise ModuleNotFoundError(name=name)
        return real(name)

    bundle = load_bundle(tiny_bundle)
    target = select_target(bundle, engine.name)
    monkeypatch.setattr(importlib, "import_module", without)
    with pytest.raises(
        MissingExtraError, match=f"engine '{engine.name}' needs .* not installed: pip install"
    ):
        create_engine(target, bundle.open_files(target), EngineOptions())


def test_everything_runs_on_the_engine_s_own_thread() -> None:
    thread = InferenceThread("test")
    names = {thread.call(lambda: threading.current_thread().name) for _ in range(3)}
    assert names == {"test"}
    with pytest.raises(ZeroDivisionError):
        thread.call(lambda: 1 / 0)
    assert thread.call(lambda: 5) == 5
    thread.close()
    thread.close()
    with pytest.raises(EngineError, match="was closed"):
        thread.call(lambda: 5)
