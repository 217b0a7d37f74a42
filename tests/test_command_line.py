"""What the three commands share: standard streams that cannot be written, and errors in one line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from yolo_edge.command_line import explain

_COMMANDS = [
    pytest.param(["yolo_edge.cli", "info"], "yolo-edge info", id="yolo-edge"),
    pytest.param(["yolo_export.cli", "info", "--cfg", "v5lite-e"], "yolo-export", id="yolo-export"),
    pytest.param(["yolo_train.cli", "check", "data.yaml", "--quiet"], "yolo-train check", id="yolo-train"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With a dataset that has faults, of which a report tells."""
    (tmp_path / "data.yaml").write_text("train: nowhere\nval: nowhere\nnames: [cat]\n")
    return tmp_path


def run(words: list[str], redirected: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", f'"$0" -m "$@" {redirected}', sys.executable, *words],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=folder,
        env=environment,
        check=False,
    )


@pytest.mark.parametrize(("words", "name"), _COMMANDS)
def test_output_to_a_full_disk(folder: Path, words: list[str], name: str) -> None:
    done = run(words, ">/dev/full", folder)
    assert done.returncode == 1
    assert done.stderr == f"{name}: error: standard output: cannot be written: No space left on device\n"


@pytest.mark.parametrize(
    "redirected", [pytest.param(">&- <&-", id="closed"), pytest.param("| true", id="reader that has enough")]
)
def test_output_that_nobody_reads(folder: Path, redirected: str) -> None:
    done = run(["yolo_edge.cli", "info"], redirected, folder)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("number", "code"),
    [pytest.param(signal.SIGTERM, 143, id="terminated"), pytest.param(signal.SIGINT, 130, id="Ctrl-C")],
)
def test_interrupted_commands_leave_nothing(folder: Path, number: signal.Signals, code: int) -> None:
    words = ["scenes", "drawn", "--count", "100000", "--imgsz", "64"]
    before = set(folder.iterdir())
    with subprocess.Popen([sys.executable, "-m", "yolo_train.cli", *words], cwd=folder) as process:
        deadline = time.monotonic() + 60
        while not list(folder.glob(".drawn*/images/train/*.jpg")) and time.monotonic() < deadline:
            time.sleep(0.1)  # until it is at work
        process.send_signal(number)
        assert process.wait(60) == code
    assert set(folder.iterdir()) == before


def test_text_that_the_terminal_lacks(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "data.yaml").write_text("train: nowhere\nval: nowhere\nnames: [\u03b5]\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    done = run(["yolo_train.cli", "check", "data.yaml", "--quiet", "--json", "-"], "", folder)
    assert done.returncode == 1 and done.stderr == ""
    assert "\u03b5" in json.dumps(json.loads(done.stdout), ensure_ascii=False)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        pytest.param(FileNotFoundError(2, "No such file", "a"), "a: No such file", id="file"),
        pytest.param(
            OSError(18, "Invalid cross-device link", "a", None, "b"),
            "a -> b: Invalid cross-device link",
            id="two files",
        ),
        pytest.param(
            OSError(28, "No space left on device"),
            "a file or standard output: No space left on device",
            id="no name",
        ),
        pytest.param(MemoryError(), "out of memory", id="memory"),
        pytest.param(ValueError("x is 5"), "x is 5", id="any other"),
    ],
)
def test_errors_in_one_line(error: BaseException, text: str) -> None:
    assert explain(error) == text
