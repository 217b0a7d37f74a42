from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import profiles
import pytest

from yolo_edge import ProfileError, load_bundle
from yolo_edge.tuning.candidates import Candidate
from yolo_edge.tuning.profile import Profile, bundle_digest, load_profile, profiles_folder, store_profile

CANDIDATE = Candidate("onnxruntime", False, "fp32", 1, "0")


def test_there_and_back(tiny_bundle: Path, tmp_path: Path) -> None:
    bundle = load_bundle(tiny_bundle)
    tuning = dataclasses.replace(profiles.tuning(bundle, [CANDIDATE]), notes=["temperature 40 to 60 C"])
    path = tmp_path / "deep/er/p.json"
    store_profile(path, Profile("digest", {"model": "Orange Pi 5"}, [tuning]))
    read = load_profile(path)
    assert read == Profile("digest", {"model": "Orange Pi 5"}, [tuning])
    assert [entry.name for entry in path.parent.iterdir()] == ["p.json"]
    assert load_profile(tmp_path / "none.json") is None


def test_what_the_last_tune_found_for_each_size(tiny_bundle: Path) -> None:
    tuning = profiles.tuning(load_bundle(tiny_bundle), [CANDIDATE])
    other = dataclasses.replace(tuning, size_hw=(64, 96))
    newer = dataclasses.replace(tuning, objective="throughput")
    profile = Profile("digest", {}, [tuning, other])
    profile.put(newer)
    assert profile.find((128, 128), "rect", "latency") is newer
    assert profile.find((64, 96), "rect", "latency") is other
    assert profile.find((128, 128), "square", "latency") is None
    profile.put(tuning, newer)
    assert profile.find((128, 128), "rect", "latency") is tuning
    assert profile.find((128, 128), "rect", "throughput") is newer
    assert profile.find((128, 128), "rect", "efficiency") is tuning
    assert len(profile.tunings) == 3


@pytest.mark.parametrize(
    "change",
    [
        pytest.param("", id="empty"),
        pytest.param("{", id="half"),
        pytest.param("[]", id="a list"),
        pytest.param('{"schema": 2}', id="newer"),
        pytest.param({"tunings": None}, id="no tunings"),
        pytest.param({"tunings": [{}]}, id="an empty tuning"),
        pytest.param({"threads": 0}, id="no threads"),
        pytest.param({"threads": "many"}, id="threads in words"),
        pytest.param({"cpus": "fast ones"}, id="CPUs in words"),
        pytest.param({"colour": "blue"}, id="unknown field"),
    ],
)
def test_damaged_files(tiny_bundle: Path, tmp_path: Path, change: str | dict[str, Any]) -> None:
    path = profiles.store(tiny_bundle, tmp_path, profiles.tuning(load_bundle(tiny_bundle), [CANDIDATE]))
    content = json.loads(path.read_text())
    if isinstance(change, str):
        path.write_text(change)
    else:
        place = content if "tunings" in change else content["tunings"][0]["rows"][0]["candidate"]
        path.write_text(json.dumps({**content, **change} if place is content else _changed(content, change)))
    with pytest.raises(ProfileError, match=path.name):
        load_profile(path)


def _changed(content: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    content["tunings"][0]["rows"][0]["candidate"].update(change)
    return content


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ProfileError, match=r"p\.json: cannot be written: "):
        store_profile(tmp_path / "file/p.json", Profile("digest", {}))


def test_stale(tiny_bundle: Path) -> None:
    tuning = profiles.tuning(load_bundle(tiny_bundle), [CANDIDATE])
    assert tuning.stale() is None
    before = {**tuning.engines, "onnxruntime": {"native": None, "package": "1.0"}}
    stale = dataclasses.replace(tuning, engines=before).stale()
    assert stale is not None
    assert stale.startswith("onnxruntime (package) was 1.0, is ")


def test_the_digest_is_the_bundle_s(tiny_bundle: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(tiny_bundle, tmp_path / "copy.edge"))
    assert bundle_digest(load_bundle(copy)) == bundle_digest(load_bundle(tiny_bundle))
    manifest = json.loads((copy / "bundle.json").read_text())
    manifest["targets"][0]["sha256"] = dict.fromkeys(manifest["targets"][0]["sha256"], "0" * 64)
    (copy / "bundle.json").write_text(json.dumps(manifest))
    assert bundle_digest(load_bundle(copy)) != bundle_digest(load_bundle(tiny_bundle))


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        pytest.param({"YOLO_EDGE_PROFILES": "/p"}, "/p", id="named"),
        pytest.param({"YOLO_EDGE_PROFILES": ""}, None, id="switched off"),
        pytest.param({"XDG_STATE_HOME": "/s"}, "/s/yolo-edge", id="XDG"),
        pytest.param({"XDG_STATE_HOME": "s"}, "/home/me/.local/state/yolo-edge", id="XDG, relative"),
        pytest.param({}, "/home/me/.local/state/yolo-edge", id="usual"),
    ],
)
def test_where_they_are(
    environment: dict[str, str], folder: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("YOLO_EDGE_PROFILES", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/me")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert profiles_folder() == (None if folder is None else Path(folder))
