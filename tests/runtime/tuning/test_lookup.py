from __future__ import annotations

import dataclasses
from pathlib import Path

import profiles
import pytest

from yolo_edge import Detector, load_bundle, tuned_arguments
from yolo_edge._core import CpuTopology
from yolo_edge.tuning.candidates import Candidate
from yolo_edge.tuning.lookup import Wishes, first_time_hint, look_up

ALLOWED = CpuTopology.read().allowed
ALL = str(ALLOWED)
FIRST = str(next(iter(ALLOWED)))
ROWS = [
    Candidate("onnxruntime", False, "fp32", 2, ALL, workers=2),
    Candidate("onnxruntime", False, "fp32", 2, ALL),
    Candidate("ncnn", False, "bf16", 1, ALL),
    Candidate("ncnn", False, "fp32", 1, FIRST),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("YOLO_EDGE_PROFILES", str(tmp_path / "profiles"))
    return tmp_path / "profiles"


@pytest.mark.parametrize(
    ("wishes", "place"),
    [
        pytest.param(Wishes(), 1, id="nothing: the best of one worker"),
        pytest.param(Wishes(workers=None), 0, id="any workers"),
        pytest.param(Wishes(workers=2), 0, id="two workers"),
        pytest.param(Wishes(threads=1), 2, id="threads"),
        pytest.param(Wishes(threads=1, precision="fp32"), 3, id="threads and precision"),
        pytest.param(Wishes(affinity=FIRST), 3, id="CPUs by list"),
        pytest.param(Wishes(affinity=hex(1 << int(FIRST))), 3, id="CPUs by mask"),
        pytest.param(Wishes(cluster="all", threads=1), 2, id="cluster"),
        pytest.param(Wishes(threads=7), None, id="threads that nobody measured"),
        pytest.param(Wishes(precision="fp16"), None, id="precision that nobody measured"),
    ],
)
def test_the_best_row_within_what_is_fixed(
    tiny_bundle: Path, folder: Path, wishes: Wishes, place: int | None
) -> None:
    bundle = load_bundle(tiny_bundle)
    profiles.store(tiny_bundle, folder, profiles.tuning(bundle, ROWS))
    found = look_up(bundle, (128, 128), "rect", wishes)
    if place is None:
        assert found.row is None
        assert found.problem == f"no row that tune measured has {wishes.describe()}"
    else:
        assert found.row is not None
        assert found.row.candidate == ROWS[place]


def test_what_cannot_be_used(tiny_bundle: Path, folder: Path) -> None:
    bundle = load_bundle(tiny_bundle)
    assert look_up(bundle, (128, 128), "rect").problem is None
    tuning = profiles.tuning(bundle, ROWS)
    path = profiles.store(tiny_bundle, folder, tuning)
    problem = look_up(bundle, (64, 64), "square").problem
    assert problem == "the bundle was tuned for 128x128 rect, not for 64x64 square"
    old = {**tuning.engines, "ncnn": {"native": "0", "package": None}}
    profiles.store(tiny_bundle, folder, dataclasses.replace(tuning, engines=old))
    found = look_up(bundle, (128, 128), "rect")
    assert found.row is None
    assert found.problem is not None
    assert "engines changed since (ncnn (native) was 0, is " in found.problem
    path.write_text("{")
    with pytest.warns(UserWarning, match="cannot be read"):
        assert tuned_arguments(bundle) == {}


def test_from_python(tiny_bundle: Path, folder: Path) -> None:
    assert tuned_arguments(tiny_bundle) == {}
    profiles.store(tiny_bundle, folder, profiles.tuning(load_bundle(tiny_bundle), ROWS))
    assert tuned_arguments(tiny_bundle, precision="bf16")["engine"] == "ncnn"
    with Detector(tiny_bundle, **tuned_arguments(tiny_bundle, affinity=FIRST)) as detector:
        assert (detector.engine, detector.threads, str(detector.cpus)) == ("ncnn", 1, FIRST)
    with Detector(tiny_bundle) as detector:
        assert detector.engine != "ncnn" or detector.threads == len(ALLOWED), "Detector itself looks nowhere"


def test_switched_off(tiny_bundle: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profiles.store(tiny_bundle, folder, profiles.tuning(load_bundle(tiny_bundle), ROWS))
    monkeypatch.setenv("YOLO_EDGE_PROFILES", "")
    assert tuned_arguments(tiny_bundle) == {}
    assert first_time_hint() is None


def test_the_hint_comes_once(tiny_bundle: Path, folder: Path) -> None:
    assert "yolo-edge tune finds the fastest engine" in (first_time_hint() or "")
    assert first_time_hint() is None


def test_no_hint_after_tuning(tiny_bundle: Path, folder: Path) -> None:
    profiles.store(tiny_bundle, folder, profiles.tuning(load_bundle(tiny_bundle), ROWS))
    assert first_time_hint() is None


def test_no_hint_where_nothing_can_be_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("YOLO_EDGE_PROFILES", str(tmp_path / "file"))
    assert first_time_hint() is None
