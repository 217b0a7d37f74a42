from __future__ import annotations

import os
from pathlib import Path

import pytest

from yolo_edge.commands.json_output import check_outputs
from yolo_edge.errors import SinkError


@pytest.mark.parametrize(
    "place",
    [
        pytest.param(None, id="none"),
        pytest.param("-", id="standard output"),
        pytest.param("new.json", id="new file"),
        pytest.param("old.json", id="file that is there"),
        pytest.param("/dev/null", id="device"),
    ],
)
def test_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str | None) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old.json").write_text("old")
    check_outputs(place)
    assert [entry.name for entry in tmp_path.iterdir()] == ["old.json"]


@pytest.mark.parametrize(
    ("place", "text"),
    [
        pytest.param(".", "it is a folder", id="folder"),
        pytest.param("none/a.json", "there is no folder none$", id="no folder"),
        pytest.param("link.json", "there is no folder .*/gone$", id="link to no folder"),
    ],
)
def test_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, text: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link.json").symlink_to("gone/a.json")
    with pytest.raises(SinkError, match=f"{place}: cannot be written: {text}"):
        check_outputs("-", place)


def test_read_only_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Root may write anywhere, so the system's answer is replaced: all is read-only but the device.
    monkeypatch.setattr(os, "access", lambda path, _: str(path) == "/dev/null")
    check_outputs("/dev/null")
    with pytest.raises(SinkError, match=f"the folder {tmp_path} is read-only"):
        check_outputs(tmp_path / "a.json")
