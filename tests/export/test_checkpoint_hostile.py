"""Every file of the hostile corpus: no code runs, little memory, little time, one clear line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hostile import CANARY, CASES, HARMLESS

_MAX_BYTES = 1_000_000_000
_MAX_SECONDS = 10
_FOLDER = Path(__file__).parent
#: Through the real command: one of each kind.
_BY_COMMAND = [
    "os system protocol 4",
    "forward hook that calls",
    "opcodes: deep lists",
    "archive: compressed bomb",
    "names of a million letters",
    "strides of nan",
    "cut at 50 %",
    "legacy call",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


@pytest.fixture(scope="module")
def answers(folder: Path) -> Iterator[dict[str, dict[str, Any]]]:
    """What the reader says to every file, all read by one process."""
    paths = {}
    for index, (name, case) in enumerate(CASES.items()):
        paths[name] = folder / f"{index}.pt"
        case.write(paths[name])
    run = subprocess.run(
        [sys.executable, str(_FOLDER / "hostile_reader.py"), *map(str, paths.values())],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    rows = {row["path"]: row for row in map(json.loads, run.stdout.splitlines())}
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    yield {name: rows[str(path)] for name, path in paths.items()}


@pytest.mark.parametrize("name", CASES)
def test_harmless_or_refused(name: str, answers: dict[str, dict[str, Any]], folder: Path) -> None:
    answer, message = answers[name], CASES[name].message

    assert answer["outcome"] == ("read" if message == HARMLESS else "refused"), answer["message"]
    assert message in answer["message"]
    assert answer["message"].startswith(answer["path"] if message else "")
    assert answer["message"].isprintable()
    assert len(answer["message"]) < 7000
    assert answer["cpu_s"] < _MAX_SECONDS
    assert answer["peak_bytes"] < _MAX_BYTES
    assert not list(folder.rglob(CANARY))


def test_corpus_is_large() -> None:
    assert len(CASES) > 200


@pytest.mark.parametrize("name", _BY_COMMAND)
def test_command_answers_in_one_line(name: str, tmp_path: Path) -> None:
    CASES[name].write(tmp_path / "best.pt")

    run = subprocess.run(
        [sys.executable, "-m", "yolo_export.cli", "--to", "onnx", "--quiet", "best.pt"],
        cwd=tmp_path,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert run.returncode == 1
    assert run.stdout == ""
    assert run.stderr.startswith("yolo-export: error: best.pt: ")
    assert CASES[name].message in run.stderr
    assert run.stderr.count("\n") == 1
    assert run.stderr.rstrip("\n").isprintable()
    assert [path.name for path in tmp_path.iterdir()] == ["best.pt"]
