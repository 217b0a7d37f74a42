"""Annotated video: written, cut off, read back."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from recordings import is_playable_in_a_browser, read_video, top_level_boxes

from yolo_edge.cpu_plan import CpuPlan
from yolo_edge.detections import Detections
from yolo_edge.errors import SinkError
from yolo_edge.scene import draw_scene
from yolo_edge.sinks.annotated import MAX_GAP_S, AnnotatedSink
from yolo_edge.sinks.durable_file import DurableFile
from yolo_edge.sinks.video_opencv import OpenCvWriter, even_sized
from yolo_edge.sinks.video_pyav import ENCODERS, TICKS_PER_S, PresentationClock, PyAvWriter, find_encoder
from yolo_edge.sinks.video_writer import VideoOptions, VideoWriter, choose_writer
from yolo_edge.sources.base import Frame

NOTHING = Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0), ("person",))
LIVE_TIMES = [0.0, 0.04, 0.08, 0.081, 0.5, 0.54, 2.75, 2.79, 2.83, 9.0, 9.04]
"""A camera whose frames are dropped now and then."""


def _frame(image: np.ndarray, time_s: float, source: str = "cam0", path: Path | None = None) -> Frame:
    return Frame(image, source, 0, time_s, 0.0, 0.0, path, fps=25.0)


def _pictures(count: int, size_hw: tuple[int, int] = (90, 160)) -> list[np.ndarray]:
    return [draw_scene(size_hw, seed) for seed in range(count)]


@pytest.mark.parametrize("encoder", [pytest.param(each, id=each.codec) for each in ENCODERS])
@pytest.mark.parametrize(
    "size_hw",
    [
        pytest.param((90, 160), id="even"),
        pytest.param((91, 161), id="odd"),
        pytest.param((1, 1), id="one pixel"),
        pytest.param((1, 400), id="a line"),
    ],
)
def test_every_frame_and_its_time(tmp_path: Path, encoder: Any, size_hw: tuple[int, int]) -> None:
    pictures = _pictures(len(LIVE_TIMES), size_hw)
    writer = PyAvWriter(tmp_path / "o.mp4", size_hw, 25.0, VideoOptions(crf=15), encoder)
    for picture, time_s in zip(pictures, LIVE_TIMES):
        writer.write(picture, 1000 + time_s)
    writer.close()
    writer.close()
    times, images = read_video(tmp_path / "o.mp4")
    assert times == pytest.approx(LIVE_TIMES, abs=1 / TICKS_PER_S)
    for image, picture in zip(images, pictures):
        padded = even_sized(picture)
        assert image.shape == padded.shape
        # Half of the colour resolution is gone, so it is the mean that counts, and that it is no other frame.
        assert np.abs(image.astype(int) - padded).mean() < 12
        assert np.abs(image.mean((0, 1)) - padded.mean((0, 1))).max() < 6 or min(size_hw) == 1


def test_colours_are_tagged_as_converted(tmp_path: Path) -> None:
    writer = PyAvWriter(tmp_path / "o.mp4", (64, 64), 25.0, VideoOptions())
    colours = [(36, 36, 242), (0, 255, 0), (255, 0, 0), (255, 255, 255), (0, 0, 0)]
    for index, colour in enumerate(colours):
        writer.write(np.full((64, 64, 3), colour, np.uint8), index / 25)
    writer.close()
    with av.open(str(tmp_path / "o.mp4")) as container:
        context = container.streams.video[0].codec_context
        # BT.601's matrix and limited range; without primaries and transfer Chromium ignores the matrix.
        assert (int(context.colorspace), int(context.color_range)) == (6, 1)
        assert (int(context.color_primaries), int(context.color_trc)) == (1, 1)
    for image, colour in zip(read_video(tmp_path / "o.mp4")[1], colours):
        assert np.abs(image.mean((0, 1)) - colour).max() < 6


def test_a_file_of_fragments_of_a_second(tmp_path: Path) -> None:
    path = tmp_path / "o.mp4"
    writer = PyAvWriter(path, (90, 160), 10.0, VideoOptions())
    counts = []
    for index, picture in enumerate(_pictures(35)):
        writer.write(picture, index / 10)
        counts.append(top_level_boxes(path).count("moof"))
    # The encoder holds one frame back, and a fragment ends where the next begins.
    assert counts == [0] * 11 + [1] * 10 + [2] * 10 + [3] * 4
    assert read_video(path)[0] == pytest.approx([index / 10 for index in range(30)], abs=1e-4)
    writer.close()
    assert is_playable_in_a_browser(path)
    assert top_level_boxes(path).count("moof") == 4
    assert len(read_video(path)[0]) == 35


def test_no_frame_at_all(tmp_path: Path) -> None:
    PyAvWriter(tmp_path / "o.mp4", (90, 160), 10.0, VideoOptions()).close()
    assert top_level_boxes(tmp_path / "o.mp4")[:2] == ["ftyp", "moov"]
    assert read_video(tmp_path / "o.mp4")[0] == []


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        pytest.param([5.0, 5.1, 5.3], [0, 0.1, 0.3], id="starts late"),
        pytest.param([0, 0, 0, 0], [0, 0.1, 0.2, 0.3], id="stands still"),
        pytest.param([0, 0.1, 0.05, 0.3], [0, 0.1, 0.2, 0.3], id="jitters"),
        pytest.param([50, 60, 0, 0.1, 0.4], [0, 10, 10.1, 10.2, 10.5], id="set back"),
        pytest.param([0, 1e-7], [0, 0.1], id="closer than a tick"),
    ],
)
def test_times_always_increase(given: list[float], shown: list[float]) -> None:
    clock = PresentationClock(10.0)
    assert [clock.ticks(time_s) / TICKS_PER_S for time_s in given] == pytest.approx(shown)


@pytest.mark.parametrize("kind", [PyAvWriter, OpenCvWriter])
def test_a_new_size_begins_a_new_file(tmp_path: Path, kind: type[VideoWriter]) -> None:
    with AnnotatedSink(tmp_path, writer=kind) as sink:
        for index, size_hw in enumerate([(90, 160)] * 3 + [(121, 91)] * 4 + [(90, 160)] * 2):
            sink.write(_frame(draw_scene(size_hw, index), index / 25), NOTHING)
    paths = [tmp_path / f"cam0{number}{kind.suffix}" for number in ("", "_2", "_3")]
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    shapes = [[image.shape[:2] for image in read_video(path)[1]] for path in paths]
    assert shapes == [[(90, 160)] * 3, [(122, 92)] * 4, [(90, 160)] * 2]
    assert [output.split(" ")[0] for output in sink.outputs] == [str(path) for path in paths]


def test_an_hour_of_silence_begins_a_new_file(tmp_path: Path) -> None:
    with AnnotatedSink(tmp_path) as sink:
        for time_s in (0, 1, 1 + MAX_GAP_S, 3 + 2 * MAX_GAP_S):
            sink.write(_frame(_pictures(1)[0], time_s), NOTHING)
    assert read_video(tmp_path / "cam0.mp4")[0] == pytest.approx([0, 1, 1 + MAX_GAP_S])
    assert read_video(tmp_path / "cam0_2.mp4")[0] == [0]


def test_a_camera_never_replaces_an_older_recording(tmp_path: Path) -> None:
    (tmp_path / "cam0.mp4").write_text("of yesterday")
    (tmp_path / "street.mp4").write_text("can be made again")
    with AnnotatedSink(tmp_path) as sink:
        sink.write(_frame(_pictures(1)[0], 0), NOTHING)
        sink.write(_frame(_pictures(1)[0], 0, "in/street.avi", Path("in/street.avi")), NOTHING)
    assert (tmp_path / "cam0.mp4").read_text() == "of yesterday"
    assert len(read_video(tmp_path / "cam0_2.mp4")[0]) == 1
    assert len(read_video(tmp_path / "street.mp4")[0]) == 1
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize(
    ("source", "name"),
    [
        pytest.param("cam0", "cam0", id="camera"),
        pytest.param("rtsp://user:s/cret@10.0.0.7:554/live/1", "10.0.0.7_554_live_1", id="slash in password"),
        pytest.param("rtsp://user:secret@10.0.0.7:554/live/1", "10.0.0.7_554_live_1", id="rtsp"),
        pytest.param("http://host/a.mjpg?user=u&password=secret", "host_a.mjpg", id="query"),
        pytest.param("http://host/a?user=me@home&password=secret", "home", id="at in query"),
        pytest.param("gst:v4l2src ! videoconvert", "gst_v4l2src_videoconvert", id="pipeline"),
        pytest.param("rtsp://h/" + "x" * 500, "h_" + "x" * 98, id="long"),
        pytest.param("rtsp://../..", "camera", id="dots"),
    ],
)
def test_names_of_live_sources(tmp_path: Path, source: str, name: str) -> None:
    with AnnotatedSink(tmp_path) as sink:
        sink.write(_frame(_pictures(1)[0], 0, source), NOTHING)
    assert [path.name for path in tmp_path.iterdir()] == [f"{name}.mp4"]


class _Limit:
    """Files may not grow beyond a size, as on a full disk."""

    def __init__(self, size: int) -> None:
        self._size = size

    def __enter__(self) -> None:
        self._before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (self._size, self._before[1]))

    def __exit__(self, *_: object) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, self._before)


def test_a_full_disk_leaves_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "cam0.mp4"
    written = 0
    with _Limit(100_000), AnnotatedSink(tmp_path) as sink:
        with pytest.raises(SinkError) as raised:
            for index, picture in enumerate(_pictures(100)):
                sink.write(_frame(picture, index / 10), NOTHING)
                written = index
        assert str(raised.value) == f"{path}: cannot be written: {os.strerror(errno.EFBIG)}"
    assert is_playable_in_a_browser(path)
    times, _ = read_video(path)
    assert 10 <= len(times) <= written
    assert times == pytest.approx([index / 10 for index in range(len(times))], abs=1e-4)


def test_opencv_notices_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = OpenCvWriter(tmp_path / "o.mkv", (90, 160), 5.0, VideoOptions())
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 4096}))
    with pytest.raises(SinkError, match=r"o\.mkv: cannot be written: No space left on device"):
        for picture in _pictures(5):
            writer.write(picture, 0)
    writer.close()


@pytest.mark.parametrize("kind", [PyAvWriter, OpenCvWriter])
def test_a_path_that_cannot_be_written(tmp_path: Path, kind: type[VideoWriter]) -> None:
    path = tmp_path / f"cam0{kind.suffix}"
    path.mkdir()
    with pytest.raises(SinkError, match=r"cam0\.m.*: cannot be written: Is a directory"):
        kind(path, (90, 160), 25.0, VideoOptions())


def test_what_cannot_be_encoded(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match=r"o\.mp4: libx264 cannot encode this video \(70000x16\): "):
        PyAvWriter(tmp_path / "o.mp4", (16, 70000), 25.0, VideoOptions())


def test_a_durable_file_has_whole_pieces(tmp_path: Path) -> None:
    file = DurableFile(tmp_path / "o")
    file.append(b"whole")
    with _Limit(7), pytest.raises(SinkError, match="cannot be written: File too large"):
        file.append(b"too long")
    assert (tmp_path / "o").read_bytes() == b"whole"
    file.append(b", again")
    file.close()
    file.close()
    assert (tmp_path / "o").read_bytes() == b"whole, again"


def test_a_disk_that_fails_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    file = DurableFile(tmp_path / "o")
    monkeypatch.setattr("os.fsync", broken)
    file.append(b"piece")
    with pytest.raises(SinkError, match="o: cannot be written: Input/output error"):
        file.close()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        pytest.param({"threads": 0}, "threads is 0; it must be a whole number of at least 1", id="threads"),
        pytest.param({"threads": True}, "threads is True", id="bool"),
        pytest.param({"crf": 52}, "crf is 52; it must be a number from 0 to 51", id="crf"),
        pytest.param({"fragment_s": 0}, "fragment_s is 0; it must be a number from 0.1 to 60", id="fragment"),
    ],
)
def test_options_out_of_range(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        VideoOptions(**options)


@pytest.mark.parametrize(
    ("engine", "others", "threads"),
    [
        pytest.param("4-7", "0-3", 4, id="little cores are free"),
        pytest.param("0-1", "2-11", 4, id="many are free"),
        pytest.param("0-2", "3", 1, id="one is free"),
        pytest.param("0-3", "0-3", 1, id="none is free"),
    ],
)
def test_encoder_threads_beside_the_engine(engine: str, others: str, threads: int) -> None:
    from yolo_edge._core import CpuSet, CpuTopology

    plan = CpuPlan(CpuTopology.read(), CpuSet(engine), 1, CpuSet(others))
    assert VideoOptions.beside(plan).threads == threads


def test_the_best_writer_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = find_encoder()
    assert encoder is not None
    assert encoder.codec == "H.264"
    assert choose_writer() is PyAvWriter
    monkeypatch.setattr("yolo_edge.sinks.video_pyav.ENCODERS", ())
    assert choose_writer() is OpenCvWriter


def test_without_pyav(tiny_bundle: Path, clip: Path, tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['av'] = None\n"  # Python's way to say: cannot be imported
        "from yolo_edge.cli import main\n"
        f"sys.exit(main(['run', '--model', {str(tiny_bundle)!r}, {str(clip)!r}, "
        f"'--save', {str(tmp_path)!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == (
        f"wrote {tmp_path}/clip.mkv (MPEG-4 part 2, which browsers do not play; "
        "pip install 'yolo-edge[stream]' brings H.264)"
    )
    assert len(read_video(tmp_path / "clip.mkv")[0]) == 12


def _run(*arguments: object) -> subprocess.Popen[str]:
    command = [Path(sys.executable).with_name("yolo-edge"), "run", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def five_minutes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five minutes at 5 frames per second, 320x180."""
    path = tmp_path_factory.mktemp("long") / "long.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 5, (320, 180))
    pictures = _pictures(10, (180, 320))
    for index in range(1500):
        writer.write(pictures[index % 10])
    writer.release()
    return path


@pytest.mark.parametrize(
    "fragments", [pytest.param(1, id="in the second fragment"), pytest.param(12, id="later")]
)
def test_a_killed_run_leaves_a_video_that_plays(
    tiny_bundle: Path, five_minutes: Path, tmp_path: Path, fragments: int
) -> None:
    jsonl, video = tmp_path / "o.jsonl", tmp_path / "long.mp4"
    run = _run("--model", tiny_bundle, "--jsonl", jsonl, "--save", tmp_path, five_minutes)
    deadline = time.monotonic() + 60
    while not (video.exists() and top_level_boxes(video).count("moof") >= fragments):
        assert time.monotonic() < deadline and run.poll() is None
        time.sleep(0.002)  # until the program, another process, has written so much
    run.send_signal(signal.SIGKILL)
    run.communicate()
    assert is_playable_in_a_browser(video)
    times, _ = read_video(video)
    results = len(jsonl.read_text().splitlines())
    assert len(times) >= 5 * fragments
    assert times == pytest.approx([index / 5 for index in range(len(times))], abs=1e-4)
    # One second of video, the frame that the encoder holds, and the one that was being written.
    assert results - len(times) <= 5 + 2
