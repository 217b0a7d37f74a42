"""The cases of tests/data/precision_cases.json, which say what they mean; the C++ rule has the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from manifests import manifest, write_bundle

from yolo_edge.bundle import Bundle, load_bundle
from yolo_edge.engines.selection import EngineOffer, choose_compute, choose_target
from yolo_edge.errors import BundleError, MissingExtraError
from yolo_edge.tuning.candidates import runtimes_of, without_int8

TABLE = json.loads((Path(__file__).parents[1] / "data" / "precision_cases.json").read_text(encoding="utf-8"))
OFFERS = [EngineOffer(name, tuple(modes)) for name, modes in TABLE["engines"].items()]


def _bundle(folder: Path, targets: list[Any]) -> Bundle:
    content = manifest()
    target = content["targets"][0]
    content["targets"] = [
        {**target, "engine": engine, "weights": weights, "compute": compute}
        for engine, weights, compute in targets
    ]
    return load_bundle(write_bundle(folder, content))


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in TABLE["cases"]])
def test_case(tmp_path: Path, case: dict[str, Any]) -> None:
    bundle = _bundle(tmp_path / "case.edge", case["targets"])
    engine, wanted = case.get("engine", "auto"), case.get("precision", "auto")
    half = case.get("half", False)
    if "selects" in case:
        found = choose_target(bundle, engine, wanted, OFFERS, half=half)
        assert [bundle.targets.index(found.target), found.compute] == case["selects"]
        modes = TABLE["engines"][found.target.engine]
        assert choose_compute(found.target, modes, wanted, half=half) == found.compute
        # What the C++ runtime is given holds this target only.
        only = bundle.only(found.target)
        assert only.targets == (found.target,)
        assert only.manifest["targets"] == [bundle.manifest["targets"][case["selects"][0]]]
        return
    error = ValueError if "refused" in case else BundleError
    with pytest.raises(error) as caught:
        choose_target(bundle, engine, wanted, OFFERS, half=half)
    assert case["refused" if "refused" in case else "lacks"] in str(caught.value)


def test_what_tune_and_bench_may_choose(tmp_path: Path) -> None:
    targets = [
        ["onnxruntime", "int8", ["int8"]],
        ["onnxruntime", "fp32", ["fp32"]],
        ["openvino", "int8", ["int8"]],
        ["mnn", "int8-weights", ["int8-weights"]],
    ]
    found = runtimes_of(_bundle(tmp_path / "two.edge", targets), ["onnxruntime", "openvino", "mnn"])
    assert [(each.engine, each.native, each.precisions) for each in found if not each.native] == [
        ("onnxruntime", False, ("fp32", "int8")),
        ("mnn", False, ("int8-weights",)),
        ("openvino", False, ("int8",)),
    ]
    asked_for_none = [(each.engine, each.precisions) for each in without_int8(found)]
    assert asked_for_none == [("onnxruntime", ("fp32",))]
    assert without_int8([]) == []


def test_what_is_not_installed(tmp_path: Path) -> None:
    offers = [EngineOffer("ort", ("fp32", "int8"), "pip install ort"), *OFFERS[1:]]
    both = _bundle(tmp_path / "both.edge", [["ort", "fp32", ["fp32"]], ["ncnn", "fp32", ["fp32"]]])
    assert choose_target(both, "auto", "auto", offers, half=False).target.engine == "ncnn"
    # Whoever asks for it by name is told by the engine itself.
    assert choose_target(both, "ort", "auto", offers, half=False).target.engine == "ort"
    one = _bundle(tmp_path / "one.edge", [["ort", "fp32", ["fp32"]], ["mnn", "int8", ["int8"]]])
    with pytest.raises(MissingExtraError, match="it has targets for ort: pip install ort"):
        choose_target(one, "auto", "auto", offers, half=False)


@pytest.mark.parametrize(
    ("wanted", "error", "text"),
    [
        pytest.param("int3", ValueError, "must be one of auto", id="unknown"),
        pytest.param("bf16", ValueError, "engine 'ort' has no precision 'bf16'; it has: fp32", id="engine"),
        pytest.param("int8", BundleError, "has weights fp32, verified in fp32, so it does not", id="target"),
    ],
)
def test_a_target_that_cannot(tmp_path: Path, wanted: str, error: type[Exception], text: str) -> None:
    target = _bundle(tmp_path / "one.edge", [["ort", "fp32", ["fp32"]]]).targets[0]
    with pytest.raises(error, match=text):
        choose_compute(target, ("fp32", "int8"), wanted, half=False)
