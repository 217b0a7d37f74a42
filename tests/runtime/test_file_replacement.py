from __future__ import annotations

from pathlib import Path

import pytest

from yolo_edge.file_replacement import replace_text


def test_written_whole(tmp_path: Path) -> None:
    for text in ("old", "new: Jürgen\n", ""):
        replace_text(tmp_path / "a.json", text)
        assert (tmp_path / "a.json").read_text(encoding="utf-8") == text
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


def test_what_was_there_stays(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("old")
    with pytest.raises(UnicodeEncodeError):
        replace_text(tmp_path / "a.json", "half\udc00")
    assert (tmp_path / "a.json").read_text() == "old"
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="directory"):
        replace_text(tmp_path / "folder", "text")
    with pytest.raises(FileNotFoundError):
        replace_text(tmp_path / "none/a.json", "text")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.json", "folder"]


def test_no_folder_but_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="directory"):
        replace_text(tmp_path / "file/a.json", "text")
