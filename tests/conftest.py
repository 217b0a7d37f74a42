"""What all tests share: the data beside the project, the real commands, and the rule about skips."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

# What was tuned on the machine that runs the tests must not decide which engine they run.
os.environ["YOLO_EDGE_PROFILES"] = ""
# A shell's background job ignores Ctrl-C, and so would the commands that tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"

ALLOWED_SKIPS: dict[str, str] = {
    "supervision needs Python 3.10": "releases for older ones bring a second OpenCV",
}
"""Reasons, by the start of the skip's text, for which a test may skip in CI too."""

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of checkpoints, images and reference results beside the project."""
    if not SHARED.is_dir():
        pytest.skip(f"needs the data beside the project ({SHARED})")
    return SHARED


@pytest.fixture(scope="session")
def yolo_edge() -> Command:
    """Runs the installed command ``yolo-edge`` and returns what it did."""
    return _command("yolo-edge")


@pytest.fixture(scope="session")
def yolo_export() -> Command:
    """Runs the installed command ``yolo-export`` and returns what it did."""
    return _command("yolo-export")


@pytest.fixture(scope="session")
def yolo_train() -> Command:
    """Runs the installed command ``yolo-train`` and returns what it did."""
    return _command("yolo-train")


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network with random weights, as YOLOv5-Lite's training would save it: 3 classes, 3 heads."""
    from checkpoints import write_checkpoint, yolov5_lite

    return write_checkpoint(tmp_path_factory.mktemp("checkpoint") / "tiny.pt", yolov5_lite())


@pytest.fixture(scope="session")
def tiny_bundle(tiny_checkpoint: Path) -> Path:
    """It as a bundle for all engines at 128 px. Tests that change it take a copy."""
    from yolo_export import export_bundle

    out = tiny_checkpoint.with_suffix(".edge")
    targets = ["onnx", "ncnn", "openvino", "mnn"]
    return export_bundle(tiny_checkpoint, targets, out=out, size_hw=(128, 128)).bundle


@pytest.fixture(scope="session")
def real_bundles(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a bundle of each of the three real checkpoints, one for OpenVINO and MNN too."""
    from yolo_export import export_bundle

    folder = tmp_path_factory.mktemp("bundles")
    for checkpoint in sorted((shared / "models").glob("*.pt")):
        more = ["openvino", "mnn"] if checkpoint.stem == "v5lite-e" else []
        export_bundle(checkpoint, ["onnx", "ncnn", *more], out=folder)
    return folder


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three drawn pictures of different shapes."""
    import cv2

    from yolo_edge.scene import draw_scene

    folder = tmp_path_factory.mktemp("scenes")
    for name, size_hw in (("a.png", (90, 160)), ("b.jpg", (160, 90)), ("c.png", (120, 120))):
        cv2.imwrite(str(folder / name), draw_scene(size_hw, seed=len(name)))
    return folder


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of 12 frames, 160x90, 10 per second."""
    import cv2

    from yolo_edge.scene import draw_scene

    path = tmp_path_factory.mktemp("clip") / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (160, 90))
    for seed in range(12):
        writer.write(draw_scene((90, 160), seed))
    writer.release()
    return path


@pytest.fixture(scope="session")
def long_clip(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The clip's frames over and over: longer than any test watches it."""
    import cv2

    path = tmp_path_factory.mktemp("long") / "long.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (160, 90))
    capture = cv2.VideoCapture(str(clip))
    frames = [capture.read()[1] for _ in range(12)]
    for _ in range(500):
        for frame in frames:
            writer.write(frame)
    writer.release()
    return path


def _command(name: str) -> Command:
    program = Path(sys.executable).with_name(name)

    def run(*args: object, cwd: Path | None = None, timeout: float = 300, **env: str):
        clean = {key: value for key, value in os.environ.items() if key != "YOLO_EDGE_MODEL"}
        return subprocess.run(
            [program, *map(str, args)],
            capture_output=True,
            text=True,
            errors="surrogateescape",  # file names need not be UTF-8
            cwd=cwd,
            timeout=timeout,
            env={**clean, **env},
            check=False,
        )

    return run


_skips: list[str] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        text = reason.removeprefix("Skipped: ")
        if not any(text.startswith(allowed) for allowed in ALLOWED_SKIPS):
            _skips.append(f"{report.nodeid}: {text}")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if os.environ.get("CI") and _skips and exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if os.environ.get("CI") and _skips:
        terminalreporter.section("skipped, which is a failure in CI")
        for line in _skips:
            terminalreporter.write_line(line)
