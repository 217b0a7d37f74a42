from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from drawn_dataset import write_dataset


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """``yolo-train`` in this process, which has torch already; the folder is a new one."""
    from yolo_train.cli import main

    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> subprocess.CompletedProcess[str]:
        try:
            code = main([str(word) for word in words])
        except SystemExit as exit_:
            code = exit_.code
        shown = capsys.readouterr()
        return subprocess.CompletedProcess(words, code, shown.out, shown.err)

    return run


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The YAML of a small drawn dataset."""
    return write_dataset(tmp_path_factory.mktemp("data"))
