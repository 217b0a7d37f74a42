"""The training command: what it writes, and the same again by its seed and by resuming."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from drawn_dataset import NAMES
from small_training import SMALL

from yolo_export.checkpoint import read_checkpoint
from yolo_train.loading import Batch
from yolo_train.training.trainer import Trainer

_EPOCHS = 6


def start(*words: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "yolo_train.cli", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    process = start(data, *SMALL, "--epochs", _EPOCHS, "--out", folder)
    output = process.communicate(timeout=300)[0]
    assert process.returncode == 0, output
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
    assert [row["epoch"] for row in rows] == [str(epoch) for epoch in range(_EPOCHS)]
    assert all(float(row["train/box_loss"]) > 0 for row in rows)
    for name in ("best.pt", "last.pt"):
        checkpoint = read_checkpoint(whole / name)
        assert checkpoint.names == list(NAMES)
        assert checkpoint.size_hw == (64, 64)
        assert checkpoint.training["epochs"] == _EPOCHS
        assert checkpoint.strides == [8, 16, 32] and checkpoint.family == "yolov5-lite"
        assert checkpoint.notes == []


def test_the_seed_reproduces(here, whole: Path, data: Path, tmp_path: Path) -> None:
    run = here(data, *SMALL, "--epochs", _EPOCHS, "--workers", 3, "--cache-mb", 0, "--out", tmp_path / "b")
    assert run.returncode == 0, run.stderr
    first, second = (torch.load(each / "best.pt", weights_only=True) for each in (whole, tmp_path / "b"))
    assert same(first["weights"], second["weights"]) == []


def test_it_goes_on_when_nobody_reads_what_it_says(data: Path, tmp_path: Path) -> None:
    """As with ``2>&1 | head``."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "yolo_train.cli", data, *SMALL, "--epochs", 2, "--out", tmp_path / "run"]
    done = subprocess.run([*map(str, command)], stdout=writer, stderr=writer, timeout=300, check=False)
    os.close(writer)
    assert done.returncode == 0
    with (tmp_path / "run" / "results.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 2


def test_another_seed_is_another_training(here, whole: Path, data: Path, tmp_path: Path) -> None:
    run = here(data, *SMALL, "--epochs", 1, "--seed", 1, "--out", tmp_path / "b")
    assert run.returncode == 0, run.stderr
    first, second = (torch.load(each / "best.pt", weights_only=True) for each in (whole, tmp_path / "b"))
    assert same(first["weights"], second["weights"]) != []


def wait_for_epoch(folder: Path, epochs: int) -> None:
    """Until so many epochs are in results.csv."""
    results, deadline = folder / "results.csv", time.monotonic() + 300
    while time.monotonic() < deadline:
        if results.exists() and len(results.read_text().splitlines()) > epochs:
            return
        time.sleep(0.05)  # there is nothing else to wait for
    raise AssertionError(f"{epochs} epochs never came")


@pytest.mark.parametrize(
    ("how", "epochs"),
    [
        pytest.param(signal.SIGKILL, 2, id="killed"),
        pytest.param(signal.SIGKILL, 0, id="killed in the first epoch", marks=pytest.mark.long),
        pytest.param(signal.SIGINT, 2, id="Ctrl-C"),
    ],
)
def test_resumed_equals_uninterrupted(
    here, whole: Path, data: Path, tmp_path: Path, how, epochs: int
) -> None:
    folder = tmp_path / "run"
    process = start(data, *SMALL, "--epochs", _EPOCHS, "--out", folder)
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
    assert epochs <= done < _EPOCHS
    run = here("--resume", folder, "--quiet", "--no-plots")
    assert run.returncode == 0, run.stderr
    assert_same_training(whole, folder)


def test_full_disk_leaves_last_whole(whole: Path, tmp_path: Path) -> None:
    """Files may not grow beyond a limit: what a full disk does to a write."""
    folder = tmp_path / "run"
    folder.mkdir()
    content = torch.load(whole / "last.pt", weights_only=True)
    content["resume"]["options"]["epochs"] = _EPOCHS + 2
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


def test_the_loss_is_not_finite(here, whole: Path, data: Path, tmp_path: Path) -> None:
    content = torch.load(whole / "best.pt", weights_only=True)
    content["weights"]["model.3.branch2.0.weight"].fill_(math.nan)
    torch.save(content, tmp_path / "nan.pt")
    words = [word for word in SMALL if word not in ("--cfg", "v5lite-e")]
    run = here(data, "--weights", "nan.pt", *words, "--out", "run")
    assert run.returncode == 1
    assert "the loss became nan in epoch 1, batch 1 of 2" in run.stderr and "Traceback" not in run.stderr


def test_the_gradient_is_not_finite(here, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A finite loss in the last batch of an epoch, whose step would spoil every weight."""
    backward, calls = Trainer._backward, []

    def spoiled(trainer: Trainer, batch: Batch) -> torch.Tensor:
        parts = backward(trainer, batch)
        calls.append(parts)
        if len(calls) == 4:
            trainer._parameters[0].grad.fill_(math.inf)
        return parts

    monkeypatch.setattr(Trainer, "_backward", spoiled)
    run = here(data, *SMALL, "--epochs", 3, "--out", "run")
    assert run.returncode == 1
    assert "the gradient became inf in epoch 2, batch 2 of 2" in run.stderr and "Traceback" not in run.stderr
    content = torch.load("run/last.pt", weights_only=True)
    assert content["epoch"] == 0
    assert all(tensor.isfinite().all() for tensor in content["weights"].values())


def test_best_exports_with_nothing_else_given(whole: Path, tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "yolo_export.cli", "--to", "onnx", whole / "best.pt"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "100.0%" in run.stdout and "64x64" in run.stdout
    bundle = json.loads((tmp_path / "best.edge" / "bundle.json").read_text())
    assert bundle["model"]["names"] == list(NAMES)
    assert bundle["input"]["size_hw"] == [64, 64]
    assert bundle["provenance"]["training"]["imgsz"] == 64


@pytest.mark.parametrize(
    ("edit", "text"),
    [
        pytest.param(lambda content: content.pop("resume"), "a finished network only", id="best.pt"),
        pytest.param(lambda content: content.update(format="x"), "is not a checkpoint", id="foreign"),
        pytest.param(lambda content: content.update(names=["a"]), "began with a", id="other classes"),
        pytest.param(lambda content: content["resume"].pop("optimiser"), "usable optimiser", id="no part"),
        pytest.param(
            lambda content: content["resume"].update(weights="x", best=99),
            "last.pt: has no usable weights, best: it is damaged or of another version",
            id="parts of another kind",
        ),
        pytest.param(
            lambda content: content["resume"]["weights"].popitem(), "does not fit", id="a tensor is missing"
        ),
        pytest.param(
            lambda content: content["resume"]["options"].update(newer=1),
            "last.pt: its options are damaged or of another version: unknown options: newer",
            id="newer option",
        ),
        pytest.param(
            lambda content: content["resume"]["options"].pop("data"), "its options are damaged", id="no data"
        ),
    ],
)
def test_what_cannot_be_resumed(here, whole: Path, tmp_path: Path, edit, text: str) -> None:
    content = torch.load(whole / "last.pt", weights_only=True)
    edit(content)
    torch.save(content, tmp_path / "last.pt")
    run = here("--resume", tmp_path, "--no-plots")
    assert run.returncode == 1
    assert text in run.stderr and "Traceback" not in run.stderr


def test_resuming_without_the_best_is_refused_at_once(here, whole: Path, tmp_path: Path) -> None:
    (tmp_path / "last.pt").write_bytes((whole / "last.pt").read_bytes())
    run = here("--resume", tmp_path, "--no-plots")
    assert run.returncode == 1
    assert "best.pt: is missing" in run.stderr and f"--weights {tmp_path / 'last.pt'}" in run.stderr


def test_resuming_from_another_name_is_refused(here, whole: Path, tmp_path: Path) -> None:
    (tmp_path / "epoch5.pt").write_bytes((whole / "last.pt").read_bytes())
    run = here("--resume", tmp_path / "epoch5.pt", "--no-plots")
    assert run.returncode == 1
    assert "epoch5.pt: a training goes on in its folder, from the file last.pt" in run.stderr
    assert [each.name for each in tmp_path.iterdir()] == ["epoch5.pt"]


class _Touches:
    """Whoever unpickles it makes a file."""

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (Path("pwned"),)


def _saved(content: object) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"x" * 100, id="text"),
        pytest.param(_saved({"a": torch.zeros(9999)})[:5000], id="cut"),
        pytest.param(_saved({"format": _Touches()}), id="hostile"),
        pytest.param(pickle.dumps({"format": _Touches()}), id="hostile pickle"),
    ],
)
def test_a_damaged_last_is_refused(here, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "last.pt").write_bytes(data)
    run = here("--resume", tmp_path / "last.pt", "--no-plots")
    assert run.returncode == 1
    assert run.stderr.count("\n") == 1
    assert f"last.pt: is damaged or cut short ({len(data):,} bytes)" in run.stderr
    assert [each.name for each in tmp_path.iterdir()] == ["last.pt"]


def test_a_changed_dataset_is_told_of(here, whole: Path, data: Path, tmp_path: Path) -> None:
    content = torch.load(whole / "last.pt", weights_only=True)
    content["resume"]["dataset"] = "another"
    torch.save(content, tmp_path / "last.pt")
    (tmp_path / "best.pt").write_bytes((whole / "best.pt").read_bytes())
    run = here("--resume", tmp_path, "--no-plots")
    assert run.returncode == 0
    assert f"note: {data} has changed since" in run.stderr
