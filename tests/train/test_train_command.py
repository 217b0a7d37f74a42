"""The training command: what it writes, resuming to the bit, and what it refuses."""

from __future__ import annotations

import csv
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import pytest
import torch
import yaml
from drawn_dataset import NAMES, write_dataset

from yolo_export.checkpoint import read_checkpoint
from yolo_train.cli import main
from yolo_train.commands.train import wait_briefly
from yolo_train.errors import TrainingError
from yolo_train.loading import Batch
from yolo_train.training.run_folder import create_run_folder
from yolo_train.training.trainer import Trainer

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
_EPOCHS = 6
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


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The command in this process, which has torch already; the folder is a new one."""
    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> subprocess.CompletedProcess[str]:
        try:
            code = main([str(word) for word in words])
        except SystemExit as exit_:
            code = exit_.code
        shown = capsys.readouterr()
        return subprocess.CompletedProcess(words, code, shown.out, shown.err)

    return run


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
    """A training that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    run = yolo_train(data, *_SMALL, "--epochs", _EPOCHS, "--out", folder)
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
    run = here(data, *_SMALL, "--epochs", _EPOCHS, "--workers", 3, "--cache-mb", 0, "--out", tmp_path / "b")
    assert run.returncode == 0, run.stderr
    first, second = (torch.load(each / "best.pt", weights_only=True) for each in (whole, tmp_path / "b"))
    assert same(first["weights"], second["weights"]) == []


def test_another_seed_is_another_training(here, whole: Path, data: Path, tmp_path: Path) -> None:
    run = here(data, *_SMALL, "--epochs", 1, "--seed", 1, "--out", tmp_path / "b")
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
    process = start(data, *_SMALL, "--epochs", _EPOCHS, "--out", folder)
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
    words = [word for word in _SMALL if word not in ("--cfg", "v5lite-e")]
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
    run = here(data, *_SMALL, "--epochs", 3, "--out", "run")
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


def test_charts_and_pictures(here, data: Path, tmp_path: Path) -> None:
    words = [word for word in _SMALL if word not in ("--no-plots", "--quiet", "--noautoanchor")]
    run = here(data, *words, "--epochs", 1)
    assert run.returncode == 0, run.stderr
    assert "v5lite-e: random weights" in run.stderr
    assert "epoch 1/1  loss " in run.stderr and "AP50" in run.stderr and "images/s" in run.stderr
    assert run.stdout.startswith("epoch 1 of 1 is the best") and "square" in run.stdout
    folder = tmp_path / "runs/train/exp"
    assert f"wrote {folder.relative_to(tmp_path)}/best.pt" in run.stdout
    for name in (
        "results",
        "labels",
        "train_batch0",
        "train_batch1",
        "val_labels",
        "val_predictions",
        "confusion_matrix",
        "pr_curve",
        "f1_curve",
    ):
        image = cv2.imread(str(folder / f"{name}.png"))
        assert image is not None and min(image.shape[:2]) > 100, name
        assert image.std() > 1, name


#: As the help says.
_ADAMW = ["--optimiser", "adamw", "--set", "lr0=0.001", "--set", "warmup_bias_lr=0"]


@pytest.mark.parametrize(
    "words",
    [
        pytest.param([*_ADAMW, "--cos-lr"], id="adamw and cosine"),
        pytest.param(["--rect"], id="rect"),
        pytest.param(["--multi-scale"], id="multi-scale"),
        pytest.param(["--image-weights", "--class-weights"], id="weights"),
        pytest.param(["--single-cls"], id="single class"),
        pytest.param(["--precision", "bf16"], id="bf16"),
        pytest.param(["--freeze", "7", "--set", "fl_gamma=1.5"], id="frozen and focal"),
    ],
)
def test_ways_to_train(here, data: Path, tmp_path: Path, words: list[str]) -> None:
    run = here(data, *_SMALL, "--epochs", 2, "--out", tmp_path / "run", *words)
    assert run.returncode == 0, run.stderr
    names = read_checkpoint(tmp_path / "run" / "best.pt").names
    assert names == (["object"] if "--single-cls" in words else list(NAMES))
    rows = list(csv.DictReader((tmp_path / "run" / "results.csv").open()))
    assert len(rows) == 2
    assert (float(rows[0]["train/cls_loss"]) == 0) == ("--single-cls" in words)


def test_folders_are_numbered_and_never_overwritten(tmp_path: Path) -> None:
    names = [create_run_folder(tmp_path / "runs", "exp", None).name for _ in range(3)]
    assert names == ["exp", "exp2", "exp3"]
    taken = tmp_path / "mine"
    assert create_run_folder(tmp_path, "x", taken) == taken
    (taken / "file").touch()
    with pytest.raises(
        TrainingError, match=f"is not empty; give --out a new folder, or go on with --resume {taken}"
    ):
        create_run_folder(tmp_path, "x", taken)
    (tmp_path / "file").touch()
    with pytest.raises(TrainingError, match="no folder can be made in it"):
        create_run_folder(tmp_path / "file", "x", None)


_CFG = ["--cfg", "v5lite-e"]


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        pytest.param([], 2, "give a DATASET", id="nothing"),
        pytest.param(["DATA"], 2, "give --weights CHECKPOINT, or --cfg NAME", id="no network"),
        pytest.param(["DATA", *_CFG, "--epochs", "0"], 2, "epochs is 0", id="no epochs"),
        pytest.param(["DATA", "--cfg", "v5lite"], 2, "there is no network 'v5lite'", id="no network of it"),
        pytest.param(["DATA", *_CFG, "--imgsz", "50"], 2, "nearest that are: 32, 64", id="size"),
        pytest.param(["DATA", *_CFG, "--set", "lr=1"], 2, "unknown: lr", id="hyper-parameter"),
        pytest.param(["DATA", *_CFG, "--hyp", "no.yaml"], 1, "no.yaml: cannot be opened", id="no hyp"),
        pytest.param(["DATA", *_CFG, "--freeze", "22"], 2, "at most 21", id="all frozen"),
        pytest.param(["DATA", "--weights", "no.pt"], 1, "no.pt", id="no checkpoint"),
        pytest.param(["no.yaml", "--cfg", "v5lite-e"], 1, "no.yaml", id="no dataset"),
        pytest.param(["--resume", "nowhere"], 1, "nowhere: does not exist", id="nothing to resume"),
        pytest.param(
            ["--resume", "x", "--epochs", "9", "--set", "lr0=1"], 2, "cannot change epochs, set", id="changed"
        ),
        pytest.param(
            ["--resume", "x", "--project", "y", "--name", "z"], 2, "change project, name", id="another folder"
        ),
        pytest.param(["DATA", "--precision", "fp8"], 2, "invalid choice", id="precision"),
    ],
)
def test_refused(here, data: Path, tmp_path: Path, words: list[str], code: int, text: str) -> None:
    given = [str(data) if word == "DATA" else word for word in words]
    run = here(*given, "--no-plots")
    assert run.returncode == code, run.stderr
    assert text in run.stderr and "Traceback" not in run.stderr
    assert run.stdout == ""
    assert not list(tmp_path.glob("runs/train/*"))


def test_an_empty_folder_that_was_there_stays(here, data: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    for out in ("mine", "new"):
        assert here(data, *_CFG, "--imgsz", "50", "--out", out, "--no-plots").returncode == 2
    assert [each.name for each in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("edit", "text"),
    [
        pytest.param(lambda content: content.pop("resume"), "a finished network only", id="best.pt"),
        pytest.param(lambda content: content.update(format="x"), "is not a checkpoint", id="foreign"),
        pytest.param(lambda content: content.update(names=["a"]), "began with a", id="other classes"),
        pytest.param(lambda content: content["resume"].pop("optimiser"), "does not fit", id="no optimiser"),
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


def test_a_damaged_last_is_refused(here, tmp_path: Path) -> None:
    (tmp_path / "last.pt").write_bytes(b"x" * 100)
    run = here("--resume", tmp_path / "last.pt", "--no-plots")
    assert run.returncode == 1
    assert "last.pt: cannot be read" in run.stderr and "Traceback" not in run.stderr


def test_a_changed_dataset_is_told_of(here, whole: Path, data: Path, tmp_path: Path) -> None:
    content = torch.load(whole / "last.pt", weights_only=True)
    content["resume"]["dataset"] = "another"
    torch.save(content, tmp_path / "last.pt")
    (tmp_path / "best.pt").write_bytes((whole / "best.pt").read_bytes())
    run = here("--resume", tmp_path, "--no-plots")
    assert run.returncode == 0
    assert f"note: {data} has changed since" in run.stderr


def test_matplotlib_is_missing(here, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    run = here(data, "--cfg", "v5lite-e")
    assert run.returncode == 1
    assert "needs the Python package matplotlib" in run.stderr and "--no-plots" in run.stderr


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        pytest.param({}, "1000", id="nothing"),
        pytest.param({"GOMP_SPINCOUNT": "7"}, "7", id="a count"),
        pytest.param({"OMP_WAIT_POLICY": "active"}, None, id="a policy"),
    ],
)
def test_how_threads_wait(monkeypatch: pytest.MonkeyPatch, given: dict[str, str], wanted: str | None) -> None:
    monkeypatch.setattr(os, "environ", dict(given))
    wait_briefly()
    assert os.environ.get("GOMP_SPINCOUNT") == wanted


def test_help_needs_no_torch() -> None:
    code = "import sys; from yolo_train.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    code += "assert not {'torch', 'numpy', 'cv2', 'matplotlib'} & set(sys.modules), sorted(sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "--resume" in run.stdout and "convert" in run.stdout
