from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from yolo_edge import Detections, DetectOptions, Detector, SourceError, watch
from yolo_edge.pipeline import RunStatistics, run
from yolo_edge.progress import Progress
from yolo_edge.scene import draw_scene
from yolo_edge.sinks import Sink
from yolo_edge.sources import FailedFrame, Frame, open_sources

IMAGES = [draw_scene((90, 160), seed) for seed in range(5)]


@pytest.fixture(scope="module")
def detector(tiny_bundle: Path) -> Detector:
    with Detector(tiny_bundle) as made:
        yield made


class _Memory(Sink):
    def __init__(self) -> None:
        self.seen: list[tuple[str, int]] = []
        self.failed: list[str] = []

    def write(self, frame: Frame, detections: Detections) -> None:
        self.seen.append((Path(frame.source).name, frame.index))

    def fail(self, failed: FailedFrame) -> None:
        self.failed.append(failed.error)


def test_sources_run_in_order_and_figures_add_up(detector: Detector, clip: Path, scenes: Path) -> None:
    memory, statistics = _Memory(), RunStatistics()
    sources = open_sources([str(scenes), str(clip)], every=4)
    run(detector, sources, [memory], options=DetectOptions(), statistics=statistics)
    assert memory.seen == [("a.png", 0), ("clip.avi", 0), ("clip.avi", 4), ("clip.avi", 8)]
    assert statistics.frames == 4
    assert statistics.detections > 0
    assert all(total > 0 for total in statistics.stage_ms.values())
    assert "4 frames in" in statistics.describe()


def test_progress_counts(detector: Detector, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True)
    progress = Progress(stream=stream)
    progress._interval_s = 0
    run(detector, open_sources([str(clip)]), [], options=DetectOptions(), progress=progress)
    assert f"{clip}: frame 6 of 12, " in stream.getvalue()
    assert " left, " in stream.getvalue()


def test_watch_arrays(detector: Detector) -> None:
    found: list[tuple[int, int]] = []
    statistics = watch(detector, iter(IMAGES), lambda frame, boxes: found.append((frame.index, len(boxes))))
    assert [index for index, _ in found] == [0, 1, 2, 3, 4]
    assert found[2][1] == len(detector.detect(IMAGES[2]))
    assert statistics.frames == 5
    indices: list[int] = []
    watch(detector, IMAGES, lambda frame, _: indices.append(frame.index), every=2, max_frames=2)
    assert indices == [0, 2]


def test_watch_ends_when_the_callback_says_so(detector: Detector, clip: Path) -> None:
    seen: list[int] = []

    def callback(frame: Frame, _: Detections) -> bool:
        seen.append(frame.index)
        return len(seen) < 3

    assert watch(detector, str(clip), callback).frames == 3
    assert seen == [0, 1, 2]


def test_watch_reports_failures(detector: Detector, scenes: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"x")
    failed: list[FailedFrame] = []
    names = [str(scenes / "a.png"), str(tmp_path / "broken.png")]
    statistics = watch(detector, names, lambda *_: None, on_failure=failed.append)
    assert (statistics.frames, statistics.failures, len(failed)) == (1, 1, 1)
    with pytest.raises(SourceError, match="does not decode"):
        watch(detector, names, lambda *_: None)
    with pytest.raises(SourceError, match="no such file"):
        watch(detector, "missing.mp4", lambda *_: None)


def test_an_error_of_the_callback_is_passed_on(detector: Detector) -> None:
    with pytest.raises(ZeroDivisionError):
        watch(detector, IMAGES, lambda *_: 1 / 0)
    assert len(detector.detect(np.zeros((64, 64, 3), np.uint8))) >= 0
