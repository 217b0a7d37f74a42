"""scripts/average-weights: the mean of checkpoints, and objectness moved."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from yolo_train.training.saving import checkpoint_content, write_checkpoint
from yolo_train.transfer import starting_network

SCRIPT = Path(__file__).parents[2] / "scripts" / "average-weights"


def _run(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def _checkpoint(path: Path, seed: int, config: str = "v5lite-e") -> Path:
    start = starting_network(None, config, ["a", "b"], seed)
    content = checkpoint_content(
        start.network,
        names=["a", "b"],
        strides=start.strides,
        anchors_px=start.anchors_px,
        epoch=seed,
        best_fitness=0.5,
        steps=10,
        facts={"imgsz": 96},
    )
    write_checkpoint(path, content)
    return path


@pytest.mark.parametrize("config", ["v5lite-e", "yolov5n"])
def test_tensors_are_averaged_and_only_objectness_is_moved(tmp_path: Path, config: str) -> None:
    first, second = (_checkpoint(tmp_path / f"{seed}.pt", seed, config) for seed in (1, 2))
    done = _run(tmp_path / "new" / "out.pt", first, second, "--objectness", "-0.5")
    assert (done.returncode, done.stderr) == (0, "")
    a, b, out = (
        torch.load(path, weights_only=True)["weights"]
        for path in (first, second, tmp_path / "new" / "out.pt")
    )
    assert any(not torch.equal(a[name], b[name]) for name in a)
    moved = {}
    for name in a:
        difference = out[name] - (a[name] + b[name]) / 2
        if difference.abs().max() > 1e-5:
            moved[name] = difference
    assert len(moved) == 3
    for difference in moved.values():
        expected = torch.zeros(3, 7)
        expected[:, 4] = -0.5
        assert torch.allclose(difference, expected.flatten(), atol=1e-5)
    again = starting_network(tmp_path / "new" / "out.pt", None, ["a", "b"], 0)
    assert again.left_out == ()


def test_what_does_not_fit_is_told_in_a_line(tmp_path: Path) -> None:
    good = _checkpoint(tmp_path / "good.pt", 1)
    other = _checkpoint(tmp_path / "other.pt", 1, "yolov5n")
    (tmp_path / "text.pt").write_text("x")
    torch.save({"model": 1}, tmp_path / "foreign.pt")
    for words, text in (
        ((good, other), "are not of one network"),
        ((good, tmp_path / "no.pt"), "no.pt"),
        ((tmp_path / "text.pt",), "text.pt: is no checkpoint that yolo-train wrote"),
        ((tmp_path / "foreign.pt",), "foreign.pt: is no checkpoint that yolo-train wrote"),
    ):
        done = _run(tmp_path / "out.pt", *words)
        assert done.returncode == 1
        assert done.stderr.startswith("average-weights: error: ") and text in done.stderr
        assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out.pt").exists()
