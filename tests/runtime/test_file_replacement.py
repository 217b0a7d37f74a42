from __future__ import annotations

import os
import stat
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


def test_a_pipe_stays_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        replace_text(pipe, "text")
        assert os.read(reader, 100) == b"text"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/a.json").write_text("old")
    (tmp_path / "link.json").symlink_to("folder/a.json")
    replace_text(tmp_path / "link.json", "new")
    assert (tmp_path / "link.json").is_symlink()
    assert (tmp_path / "folder/a.json").read_text() == "new"
