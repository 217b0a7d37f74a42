"""The flags of training: ways to train, charts, and what is refused."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from drawn_dataset import NAMES
from small_training import SMALL

from yolo_export.checkpoint import read_checkpoint
from yolo_train.commands.train import wait_briefly
from yolo_train.errors import TrainingError
from yolo_train.training.run_folder import create_run_folder


def test_charts_and_pictures(here, data: Path, tmp_path: Path) -> None:
    words = [word for word in SMALL if word not in ("--no-plots", "--quiet", "--noautoanchor")]
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
    run = here(data, *SMALL, "--epochs", 2, "--out", tmp_path / "run", *words)
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
