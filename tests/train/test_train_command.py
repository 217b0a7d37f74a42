"""The training command: what it writes, resuming to the bit, and what it refuses."""

from __future__ import annotations

import csv
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from drawn_dataset import NAMES, write_dataset

from yolo_export.checkpoint import read_checkpoint

_SMALL = [
    "--cfg",
    "v5lite-e",
    "--imgsz",
    "64",
    "--batch",
    "4",
    "--precision",
    "fp32",
    "--no-plots",
    "--quiet",
]
_SMALL += ["--threads", "1", "--workers", "1", "--noautoanchor"]


def yolo_train(*words: object, cwd: Path | None = None, timeout: float = 300):
    return subprocess.run(
        [sys.executable, "-m", "yolo_train.cli", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=cwd,
        check=False,
    )


def start(*words: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "yolo_train.cli", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that nothing interrupted, of four epochs."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    run = yolo_train(data, *_SMALL, "--epochs", 4, "--out", folder)
    assert run.returncode == 0, run.stderr
    return folder


def same(a: object, b: object, path: str = "") -> list[str]:
    """Where two contents of checkpoints differ."""
    if isinstance(a, torch.Tensor):
        return [] if isinstance(b, torch.Tensor) and torch.equal(a, b) else [path]
    if isinstance(a, dict) and isinstance(b, dict):
        places = [path] if a.keys() != b.keys() else []
        return places + [
            each for key in a.keys() & b.keys() for each in same(a[key], b[key], f"{path}/{key}")
        ]
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)) and len(a) == len(b):
        return [each for i, (x, y) in enumerate(zip(a, b)) for each in same(x, y, f"{path}/{i}")]
    return [] if a == b else [path]


def assert_same_training(a: Path, b: Path) -> None:
    """All but clock times and the folder is equal to the bit."""
    for name in ("last.pt", "best.pt"):
        first, second = (torch.load(folder / name, weights_only=True) for folder in (a, b))
        timed = ("seconds", "images_per_second", "loading_s", "/date")
        # A network that was read again is described with pairs where one number said the same.
        other = [place for place in same(first, second) if not place.startswith("/network/")]
        assert [place for place in other if not place.endswith(timed)] == []


def test_what_it_writes(whole: Path, data: Path) -> None:
    assert sorted(each.name for each in whole.iterdir()) == [
        "best.pt",
        "hyperparameters.yaml",
        "last.pt",
        "options.yaml",
        "results.csv",
    ]
    options = yaml.safe_load((whole / "options.yaml").read_text())
    assert options["data"] == str(data) and options["imgsz"] == 64 and options["precision"] == "fp32"
    assert yaml.safe_load((whole / "hyperparameters.yaml").read_text())["lr0"] == 0.01
    rows = list(csv.DictReader((whole / "results.csv").open()))
    assert [row["epoch"] for row in rows] == ["0", "1", "2", "3"]
    assert all(float(row["train/box_loss"]) > 0 for row in rows)
    for name in ("best.pt", "last.pt"):
        checkpoint = read_checkpoint(whole / name)
        assert checkpoint.names == list(NAMES)
        assert checkpoint.size_hw == (64, 64)
        assert checkpoint.training["epochs"] == 4
        assert checkpoint.strides == [8, 16, 32] and checkpoint.family == "yolov5-lite"
        assert checkpoint.notes == []


def test_the_seed_reproduces(whole: Path, data: Path, tmp_path: Path) -> None:
    run = yolo_train(data, *_SMALL, "--epochs", 4, "--workers", 3, "--cache-mb", 0, "--out", tmp_path / "b")
    assert run.returncode == 0, run.stderr
    first, second = (torch.load(each / "best.pt", weights_only=True) for each in (whole, tmp_path / "b"))
    assert same(first["weights"], second["weights"]) == []


def test_another_seed_is_another_training(whole: Path, data: Path, tmp_path: Path) -> None:
    run = yolo_train(data, *_SMALL, "--epochs", 1, "--seed", 1, "--out", tmp_path / "b")
    assert run.returncode == 0, run.stderr
    first, second = (torch.load(each / "best.pt", weights_only=True) for each in (whole, tmp_path / "b"))
    assert same(first["weights"], second["weights"]) != []


def wait_for_epoch(folder: Path, epochs: int) -> None:
    """Until so many epochs are in results.csv."""
    for _ in range(1200):
        results = folder / "results.csv"
        if results.exists() and len(results.read_text().splitlines()) > epochs:
            return
        time.sleep(0.05)  # there is nothing else to wait for
    raise AssertionError(f"{epochs} epochs never came")


@pytest.mark.parametrize(
    ("how", "epochs"),
    [
        pytest.param(signal.SIGKILL, 2, id="killed"),
        pytest.param(signal.SIGKILL, 0, id="killed in the first epoch"),
        pytest.param(signal.SIGINT, 2, id="Ctrl-C"),
    ],
)
def test_resumed_equals_uninterrupted(whole: Path, data: Path, tmp_path: Path, how, epochs: int) -> None:
    folder = tmp_path / "run"
    process = start(data, *_SMALL, "--epochs", 4, "--out", folder)
    if epochs:
        wait_for_epoch(folder, epochs)
    else:
        while not (folder / "last.pt").exists():
            time.sleep(0.01)  # there is nothing else to wait for
    process.send_signal(how)
    output = process.communicate(timeout=60)[0]
    assert process.returncode == (-how if how == signal.SIGKILL else 130), output
    if how == signal.SIGINT:
        assert f"yolo-train --resume {folder}" in output
    read_checkpoint(folder / "last.pt")
    done = len(torch.load(folder / "last.pt", weights_only=True)["resume"]["history"])
    assert epochs <= done < 4
    run = yolo_train("--resume", folder, "--quiet", "--no-plots")
    assert run.returncode == 0, run.stderr
    assert_same_training(whole, folder)


def test_full_disk_leaves_last_whole(whole: Path, tmp_path: Path) -> None:
    """Files may not grow beyond a limit: what a full disk does to a write."""
    folder = tmp_path / "run"
    folder.mkdir()
    content = torch.load(whole / "last.pt", weights_only=True)
    content["resume"]["options"]["epochs"] = 6
    torch.save(content, folder / "last.pt")
    (folder / "best.pt").write_bytes((whole / "best.pt").read_bytes())
    before = (folder / "last.pt").read_bytes()
    size_kb = (folder / "last.pt").stat().st_size // 2048
    words = f'ulimit -f {size_kb}; trap "" XFSZ; exec "$0" -m yolo_train.cli --resume "$1" --quiet --no-plots'
    run = subprocess.run(
        ["bash", "-c", words, sys.executable, str(folder)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert "cannot be written: File too large" in run.stderr and f"--resume {folder}" in run.stderr
    assert (folder / "last.pt").read_bytes() == before
    assert [each.name for each in folder.iterdir() if each.name.startswith(".")] == []
