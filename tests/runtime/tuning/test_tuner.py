from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path

import pytest
from profiles import damage_golden

from yolo_edge import BundleError, EngineError, MissingExtraError, load_bundle
from yolo_edge.tuning import TuneOptions, Tuner
from yolo_edge.tuning.measure import network_of


def tuned(path: Path, budget_s: float = 3.0, **options: object) -> Tuner:
    bundle = load_bundle(path)
    tuner = Tuner(bundle, network_of(bundle), TuneOptions(budget_s=budget_s, **options))  # type: ignore[arg-type]
    tuner.run()
    return tuner


def test_a_row_that_loses_boxes_never_wins(tiny_bundle: Path, tmp_path: Path) -> None:
    """The last weights of ncnn's target are destroyed: it runs as fast as before and finds other boxes."""
    copy = Path(shutil.copytree(tiny_bundle, tmp_path / "copy.edge"))
    manifest = json.loads((copy / "bundle.json").read_text())
    target = next(target for target in manifest["targets"] if target["engine"] == "ncnn")
    weights = copy / target["files"]["bin"]
    content = bytearray(weights.read_bytes())
    content[-96:] = bytes(96)
    weights.write_bytes(content)
    target["sha256"][weights.name] = hashlib.sha256(content).hexdigest()
    (copy / "bundle.json").write_text(json.dumps(manifest))
    with pytest.raises(
        EngineError, match=r"no configuration may be used: ncnn .*: check failed: heads differ"
    ):
        tuned(copy, budget_s=0.5, engines=["ncnn"])
    tuner = tuned(copy, engines=["ncnn", "onnxruntime"])
    assert {row.candidate.engine for row in tuner.ranking()} == {"onnxruntime"}
    assert all(row.candidate.engine == "onnxruntime" for row in tuner.tuning().rows)


def test_nothing_passes(tiny_bundle: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(tiny_bundle, tmp_path / "copy.edge"))
    damage_golden(copy)
    with pytest.raises(EngineError, match=r"no configuration may be used: onnxruntime fp32, .* boxes agree"):
        tuned(copy, budget_s=1.0, engines=["onnxruntime"])


@pytest.mark.parametrize(
    ("objective", "cost"),
    [
        pytest.param("latency", "time of a frame", id="latency"),
        pytest.param("throughput", "wall time per frame", id="throughput"),
        pytest.param("efficiency", "per frame", id="efficiency"),
    ],
)
def test_objectives(tiny_bundle: Path, objective: str, cost: str) -> None:
    tuner = tuned(tiny_bundle, objective=objective, engines=["onnxruntime"])
    ranking = tuner.ranking()
    assert cost in tuner.cost_name
    assert ranking[0].cost_to_best == 1.0
    assert all(0 < row.median_ms <= row.p95_ms and row.fps > 0 and row.cpu_ms > 0 for row in ranking)
    assert all(row.candidate.workers == 1 for row in ranking) or objective == "throughput"
    stored = tuner.tuning()
    assert (stored.objective, stored.size_hw, stored.letterbox) == (objective, (128, 128), "rect")
    assert stored.stale() is None


def test_an_engine_that_the_bundle_lacks(tiny_bundle: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(tiny_bundle, tmp_path / "copy.edge"))
    manifest = json.loads((copy / "bundle.json").read_text())
    manifest["targets"] = [target for target in manifest["targets"] if target["engine"] == "onnxruntime"]
    (copy / "bundle.json").write_text(json.dumps(manifest))
    bundle = load_bundle(copy)
    with pytest.raises(MissingExtraError, match=r"no engine to measure: .* has targets for onnxruntime, "):
        Tuner(bundle, network_of(bundle), TuneOptions(engines=["ncnn"]))


def test_int8_weights_alone(tiny_bundle: Path) -> None:
    bundle = load_bundle(tiny_bundle)
    targets = [dataclasses.replace(each, weights="int8", compute=("int8",)) for each in bundle.targets]
    only = dataclasses.replace(bundle, targets=tuple(targets))
    with pytest.raises(BundleError, match="has only 8-bit weights for onnxruntime, which tune never chooses"):
        Tuner(only, network_of(only), TuneOptions(engines=["onnxruntime"]))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        pytest.param(
            {"objective": "speed"}, "objective is 'speed'; it must be one of latency, ", id="objective"
        ),
        pytest.param(
            {"budget_s": 0.0}, "budget is 0.0; it must be a number of seconds above 0", id="no time"
        ),
        pytest.param({"budget_s": float("nan")}, "budget is nan", id="not a number"),
    ],
)
def test_bad_options(options: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        TuneOptions(**options)  # type: ignore[arg-type]
