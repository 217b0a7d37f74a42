"""The demo source: a camera for those who have none."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from yolo_edge.capture_options import CaptureOptions
from yolo_edge.markers import CLASS_NAMES
from yolo_edge.markers.moving_scene import MovingScene
from yolo_edge.model_selection import default_model
from yolo_edge.sources import Frame, open_sources
from yolo_edge.sources.demo import DEFAULT_FPS, DEFAULT_SIZE_WH, DemoSource

Command = Callable[..., Any]


@pytest.mark.parametrize(
    "size_wh", [(640, 480), (1280, 720), (320, 320), (480, 640)], ids=["usual", "wide", "small", "upright"]
)
def test_every_code_stays_in_the_picture(size_wh: tuple[int, int]) -> None:
    scene = MovingScene(size_wh, seed=3)
    for step in range(40):
        picture, seen = scene.draw(step * 1.37)
        assert picture.shape == (size_wh[1], size_wh[0], 3)
        assert sorted(each.code.class_id for each in seen) == [0, 0, 1, 1, 2, 2]
        for each in seen:
            assert each.outline.min() >= 0
            assert (each.outline.max(axis=0) <= size_wh).all()


def test_same_seed_same_pictures() -> None:
    first, second, other = MovingScene((320, 240), 1), MovingScene((320, 240), 1), MovingScene((320, 240), 2)
    assert np.array_equal(first.draw(2.5)[0], second.draw(2.5)[0])
    assert not np.array_equal(first.draw(2.5)[0], first.draw(2.6)[0])
    assert not np.array_equal(first.draw(2.5)[0], other.draw(2.5)[0])


def test_markers_are_where_the_scene_says() -> None:
    """OpenCV's detector finds the ArUco marker at the outline, in most pictures."""
    detector = cv2.aruco.ArucoDetector(cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50))
    scene, found = MovingScene((640, 480), 0), 0
    for step in range(20):
        picture, seen = scene.draw(step * 0.9)
        (marker,) = (each for each in seen if each.code.symbology == "DICT_4X4_50")
        corners, ids, _ = detector.detectMarkers(picture)
        if ids is not None and int(marker.code.content) in ids.ravel():
            place = ids.ravel().tolist().index(int(marker.code.content))
            np.testing.assert_allclose(corners[place][0], marker.outline, atol=2.5)
            found += 1
    assert found >= 15


def test_frames_come_at_the_frame_rate() -> None:
    with DemoSource(CaptureOptions(size_wh=(160, 160), fps=50)) as source:
        frames = [frame for frame, _ in zip(source, range(6))]
    assert all(isinstance(frame, Frame) and frame.image.shape == (160, 160, 3) for frame in frames)
    indices = [frame.index for frame in frames]
    assert indices[0] == 0 and indices == sorted(set(indices))
    assert source.dropped == indices[-1] + 1 - len(frames)
    for frame in frames:
        assert frame.time_s == pytest.approx(frame.index / 50)
        assert frame.fps == 50 and frame.source == "demo"
    assert frames[-1].captured_clock - frames[0].captured_clock == pytest.approx(indices[-1] / 50)
    assert frames[-1].captured_clock <= time.monotonic()


def test_slow_takers_drop_frames() -> None:
    with DemoSource(CaptureOptions(size_wh=(160, 160), fps=200)) as source:
        iterator = iter(source)
        next(iterator)
        time.sleep(0.1)  # a taker that is slower than the source
        late = next(iterator)
    assert late.index >= 20
    assert source.dropped >= late.index - 1


def test_every_takes_each_nth_frame() -> None:
    with DemoSource(CaptureOptions(size_wh=(160, 160), fps=100), every=5) as source:
        indices = [frame.index for frame, _ in zip(source, range(4))]
    assert indices[0] == 0 and all(index % 5 == 0 for index in indices)


def test_close_ends_the_wait() -> None:
    source = DemoSource(CaptureOptions(size_wh=(160, 160), fps=0.01))
    frames = []
    reader = threading.Thread(target=lambda: frames.extend(source))
    reader.start()
    while not frames:
        time.sleep(0.01)  # until the first frame is there
    source.close()
    source.close()
    reader.join(20)
    assert not reader.is_alive() and len(frames) == 1


def test_opened_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (source,) = open_sources(["demo"])
    with source:
        frame = next(iter(source))
    assert isinstance(source, DemoSource) and source.live and source.fps == DEFAULT_FPS
    assert frame.image.shape == (DEFAULT_SIZE_WH[1], DEFAULT_SIZE_WH[0], 3)
    (tmp_path / "demo").mkdir()
    cv2.imwrite(str(tmp_path / "demo" / "a.png"), np.zeros((8, 8, 3), np.uint8))
    monkeypatch.chdir(tmp_path)
    (folder,) = open_sources(["./demo"])
    assert folder.frame_count == 1


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        pytest.param(["--size", "100x100"], "size is 100x100; both must be at least 160", id="too small"),
        pytest.param(["--format", "MJPG"], "a format is for camN", id="format"),
        pytest.param(["--fps", "0"], "fps is 0", id="no frames"),
    ],
)
def test_wrong_flags(yolo_edge: Command, tiny_bundle: Path, flags: list[str], text: str) -> None:
    done = yolo_edge("run", "demo", "--model", tiny_bundle, *flags)
    assert done.returncode == 2
    assert text in done.stderr


def test_command(yolo_edge: Command, tiny_bundle: Path, tmp_path: Path) -> None:
    done = yolo_edge(
        "run", "demo", "demo", "--model", tiny_bundle, "--size", "320x240", "--fps", "30",
        "--max-frames", "8", "--jsonl", "-", "--save", tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == 8
    assert {line["source"] for line in lines} == {"demo", "demo#2"}
    assert {(line["width"], line["height"]) for line in lines} == {(320, 240)}
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".mp4", ".mp4"]


def test_default_model_finds_the_demos_codes(yolo_edge: Command, tmp_path: Path) -> None:
    """No model, no camera, no file: the first thing a new user tries."""
    done = yolo_edge("run", "demo", "--max-frames", "10", "--jsonl", "-", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("the one that comes with yolo-edge") == 1
    scene = MovingScene(DEFAULT_SIZE_WH)
    matched = total = boxes = 0
    for line in map(json.loads, done.stdout.splitlines()):
        _, seen = scene.draw(line["time_s"])
        total += len(seen)
        boxes += len(line["detections"])
        for each in seen:
            truth = np.concatenate([each.outline.min(axis=0), each.outline.max(axis=0)])
            matched += any(
                CLASS_NAMES[each.code.class_id] == found["name"]
                and _iou(truth, np.array(found["xyxy"])) > 0.5
                for found in line["detections"]
            )
    assert total == 60
    assert matched >= 54
    assert boxes - matched <= 15  # one and a half a frame: what its card says of false boxes holds here too


def test_default_model_is_small() -> None:
    bundle = default_model()
    assert bundle is not None
    assert sum(path.stat().st_size for path in bundle.iterdir()) <= 4e6


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    inter = np.prod(np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None))
    return float(inter / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - inter))
