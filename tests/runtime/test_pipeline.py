from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pipeline_sources import (
    IMAGE,
    TIMEOUT_S,
    FileSource,
    HangingSource,
    LiveSource,
    Memory,
    frame,
    wait_until,
)

from yolo_edge import Detections, DetectOptions, Detector, SinkError, SourceError, watch
from yolo_edge.pipeline import RunStatistics, run
from yolo_edge.progress import Progress
from yolo_edge.scene import draw_scene
from yolo_edge.sinks import Sink
from yolo_edge.sources import CaptureOptions, FailedFrame, Frame, open_sources

IMAGES = [draw_scene((90, 160), seed) for seed in range(5)]


@pytest.fixture(scope="module")
def detector(tiny_bundle: Path) -> Iterator[Detector]:
    with Detector(tiny_bundle) as made:
        yield made


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    wait_until(lambda: not _pipeline_threads())


def _pipeline_threads() -> list[str]:
    names = ("yolo-edge-read", "yolo-edge-work", "yolo-edge-write", "yolo-edge-close")
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(names)]


def test_sources_and_figures_add_up(detector: Detector, clip: Path, scenes: Path) -> None:
    memory, statistics = Memory(), RunStatistics()
    sources = open_sources([str(scenes), str(clip)], every=4)
    run(detector, sources, [memory], options=DetectOptions(), statistics=statistics)
    seen = [(Path(source).name, index) for source, index in memory.seen]
    assert [index for name, index in seen if name == "clip.avi"] == [0, 4, 8]
    assert ("a.png", 0) in seen
    assert len(seen) == statistics.frames == 4
    assert statistics.detections > 0
    assert all(total > 0 for total in statistics.stage_ms.values())
    assert "4 frames in" in statistics.describe()
    assert {name: source.frames for name, source in statistics.sources.items()} == {
        "3 images" if len(sources[0]._numbered) > 1 else sources[0].name: 1,
        str(clip): 3,
    }
    assert memory.threads == {"yolo-edge-write"}


def test_one_file_after_the_other(detector: Detector, clip: Path, scenes: Path) -> None:
    memory = Memory()
    sources = open_sources([str(scenes), str(clip), str(clip)], every=4)
    run(detector, sources, [memory], options=DetectOptions(), files_at_once=1)
    assert [Path(source).name for source, _ in memory.seen] == [
        "a.png",
        *["clip.avi"] * 3,
        *["clip.avi#2"] * 3,
    ]
    with pytest.raises(ValueError, match="files_at_once is 0"):
        run(detector, open_sources([str(clip)]), [memory], options=DetectOptions(), files_at_once=0)


def test_no_sources(detector: Detector) -> None:
    assert run(detector, [], [Memory()], options=DetectOptions()).frames == 0


@pytest.mark.parametrize("shown", ["one", "two"])
def test_progress_counts(detector: Detector, clip: Path, monkeypatch: pytest.MonkeyPatch, shown: str) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True)
    progress = Progress(stream=stream)
    progress._interval_s = 0
    clips = [str(clip)] * (1 if shown == "one" else 2)
    run(detector, open_sources(clips), [], options=DetectOptions(), progress=progress)
    expected = f"{clip}: frame 6 of 12, " if shown == "one" else "2 sources: frame 13 of 24, "
    assert expected in stream.getvalue()
    assert " left, " in stream.getvalue()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_several_engines_keep_the_order_and_find_the_same(tiny_bundle: Path, clip: Path, count: int) -> None:
    cpus = sorted(os.sched_getaffinity(0))
    found: dict[str, list[tuple[int, int]]] = {}

    class Boxes(Memory):
        def write(self, frame: Frame, detections: Detections) -> None:
            found.setdefault(frame.source, []).append((frame.index, len(detections)))

    detectors = [
        Detector(tiny_bundle, threads=1, affinity=str(cpus[number % len(cpus)])) for number in range(count)
    ]
    expected = [
        (number, len(detectors[0].detect(image.image)))
        for number, image in enumerate(open_sources([str(clip)])[0])
    ]
    run(detectors, open_sources([str(clip)] * 5), [Boxes()], options=DetectOptions(), files_at_once=3)
    assert list(found.values()) == [expected] * 5
    for made in detectors:
        made.close()


def test_a_live_source_beside_a_file_that_hangs(detector: Detector) -> None:
    memory, live, hanging = Memory(), LiveSource("cam"), HangingSource("file", 1)
    runner = threading.Thread(
        target=run,
        args=(detector, [hanging, live], [memory]),
        kwargs={"options": DetectOptions(), "max_frames": 9},
    )
    runner.start()
    try:
        assert hanging.hangs.wait(TIMEOUT_S)
        for number in range(8):
            live.push(frame(number, "cam"))
            wait_until(lambda: ("cam", number) in memory.seen)  # noqa: B023 - called in this turn of the loop
        runner.join(TIMEOUT_S)
        assert not runner.is_alive(), "although one reader hangs"
        assert ("file", 0) in memory.seen
        assert live.closed.is_set()
    finally:
        hanging.released.set()


def test_a_slow_output_makes_a_live_source_drop_and_not_age(detector: Detector) -> None:
    gate, statistics = threading.Event(), RunStatistics()
    memory, live = Memory(gate), LiveSource("cam")
    runner = threading.Thread(
        target=run,
        args=(detector, [live], [memory]),
        kwargs={"options": DetectOptions(), "statistics": statistics},
    )
    runner.start()
    live.push(frame(0, "cam"))
    assert memory.entered.wait(TIMEOUT_S)  # and stays there
    for number in range(1, 50):
        live.push(frame(number, "cam"))
    gate.set()
    live.push(None)
    runner.join(TIMEOUT_S)
    indices = [index for _, index in memory.seen]
    assert indices == sorted(indices)
    assert indices[-1] == 49
    assert len(indices) <= 4, "one in the output, two that were wanted meanwhile, and the newest"
    assert statistics.dropped == statistics.sources["cam"].dropped == 50 - len(indices)


def test_a_slow_output_bounds_what_of_a_file_is_in_memory(detector: Detector) -> None:
    gate = threading.Event()
    memory, file = Memory(gate), FileSource("file", 200)
    runner = threading.Thread(
        target=run, args=(detector, [file], [memory]), kwargs={"options": DetectOptions()}
    )
    runner.start()
    assert memory.entered.wait(TIMEOUT_S)
    wait_until(lambda: file.read >= 6)
    assert file.read < 12
    gate.set()
    runner.join(TIMEOUT_S)
    assert [index for _, index in memory.seen] == list(range(200))


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        pytest.param(SinkError("out: No space left"), SinkError, id="full disk"),
        pytest.param(ZeroDivisionError("oh"), ZeroDivisionError, id="a mistake"),
    ],
)
@pytest.mark.parametrize("calling", [False, True], ids=["own thread", "calling thread"])
def test_an_error_of_an_output_ends_the_run(
    detector: Detector, error: Exception, wanted: type[Exception], calling: bool
) -> None:
    class Failing(Sink):
        wants_calling_thread = calling
        count = 0

        def write(self, frame: Frame, detections: Detections) -> None:
            self.count += 1
            if self.count == 3:
                raise error

    sink, files = Failing(), [FileSource("a", 10_000), FileSource("b", 10_000), LiveSource("cam")]
    with pytest.raises(wanted, match=str(error)):
        run(detector, files, [sink], options=DetectOptions())
    assert sink.count == 3
    assert all(file.closed.is_set() for file in files)


def test_an_image_that_the_engine_refuses_ends_the_run(detector: Detector) -> None:
    seen: list[int] = []
    images = [*IMAGES, np.zeros((3, 3), np.uint8), *IMAGES]
    with pytest.raises(ValueError, match="image is"):
        watch(detector, images, lambda frame, _: seen.append(frame.index))
    assert seen == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("images", [pytest.param(False, id="a video"), pytest.param(True, id="images")])
def test_a_wish_that_a_source_cannot_fulfil(detector: Detector, clip: Path, images: bool) -> None:
    source = IMAGES if images else str(clip)
    with pytest.raises(ValueError, match=r"a size is for camN, rpicam: and demo, and there is none"):
        watch(detector, source, lambda *_: None, capture=CaptureOptions(size_wh=(640, 480)))
    usual = CaptureOptions()
    assert watch(detector, source, lambda *_: None, capture=usual, max_frames=2).frames == 2


def test_a_closed_detector_ends_the_run(tiny_bundle: Path) -> None:
    from yolo_edge.errors import EngineError

    closed = Detector(tiny_bundle)
    closed.close()
    with pytest.raises(EngineError, match="closed"):
        run(closed, [FileSource("a", 10)], [Memory()], options=DetectOptions())


def test_an_interruption_of_a_callback_leaves_nothing_behind(detector: Detector, clip: Path) -> None:
    def callback(frame: Frame, _: Detections) -> None:
        if frame.index == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        watch(detector, [str(clip)] * 3, callback)


def test_the_callback_may_use_the_detector_and_runs_in_the_calling_thread(
    detector: Detector, clip: Path
) -> None:
    threads: set[threading.Thread] = set()

    def callback(frame: Frame, found: Detections) -> None:
        threads.add(threading.current_thread())
        assert frame.age_ms is not None and frame.age_ms > 0
        assert np.array_equal(detector.detect(frame.image).xyxy, found.xyxy)

    assert watch(detector, str(clip), callback).frames == 12
    assert threads == {threading.current_thread()}


def test_two_runs_share_a_detector(detector: Detector, clip: Path) -> None:
    frames: list[int] = []
    threads = [
        threading.Thread(
            target=lambda: frames.append(watch(detector, [str(clip)] * 4, lambda *_: None).frames)
        )
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT_S)
    assert frames == [48] * 3


def test_images_of_a_program_are_asked_for_after_the_callback(detector: Detector) -> None:
    asked, seen = [], []

    def images() -> Iterator[np.ndarray]:
        for image in IMAGES:
            asked.append(len(seen))
            yield image

    watch(detector, images(), lambda frame, _: seen.append(frame.index))
    assert asked == [0, 1, 2, 3, 4]


def test_what_reading_a_program_s_images_raises_comes_after_their_results(detector: Detector) -> None:
    seen: list[int] = []

    def images() -> Iterator[np.ndarray]:
        yield from IMAGES[:3]
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        watch(detector, images(), lambda frame, _: seen.append(frame.index))
    assert seen == [0, 1, 2]


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


def test_a_callback_that_interrupts_a_source_without_an_end(detector: Detector) -> None:
    def endless() -> Iterator[np.ndarray]:
        while True:
            yield IMAGE

    assert watch(detector, endless(), lambda frame, _: frame.index < 20).frames == 21
