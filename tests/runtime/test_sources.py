from __future__ import annotations

import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from yolo_edge.errors import SourceError
from yolo_edge.sources import FailedFrame, Frame, open_sources, redact
from yolo_edge.sources.camera import NewestFrame, camera_devices
from yolo_edge.sources.images import read_image


def _image(seed: int = 0, size_hw: tuple[int, int] = (48, 64)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (*size_hw, 3), np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for seed, name in enumerate(("b.png", "a.PNG", "c.bmp")):
        cv2.imwrite(str(tmp_path / name), _image(seed))
    (tmp_path / "notes.txt").write_text("not an image")
    return tmp_path


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "street.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for number in range(20):
        writer.write(np.full((48, 64, 3), number * 10, np.uint8))
    writer.release()
    return path


def test_image(folder: Path) -> None:
    (source,) = open_sources([str(folder / "b.png")])
    (frame,) = source
    assert isinstance(frame, Frame)
    assert np.array_equal(frame.image, _image(0))
    assert (frame.source, frame.index, frame.time_s, frame.is_still) == (str(folder / "b.png"), 0, 0.0, True)


def test_folder_is_sorted_and_leaves_other_files_out(folder: Path) -> None:
    (source,) = open_sources([str(folder)])
    assert source.frame_count == 3
    frames = list(source)
    assert [Path(frame.source).name for frame in frames] == ["a.PNG", "b.png", "c.bmp"]
    assert [frame.index for frame in frames] == [0, 1, 2]


def test_glob(folder: Path) -> None:
    (source,) = open_sources([str(folder / "[ab].*")])
    assert [Path(frame.source).name for frame in source] == ["a.PNG", "b.png"]


def test_every_keeps_the_numbers(folder: Path, video: Path) -> None:
    first, second = open_sources([str(folder / "*.*[gGp]"), str(video)], every=2)
    assert [frame.index for frame in first] == [0, 2]
    assert second.frame_count == 10
    assert [frame.index for frame in second] == list(range(0, 20, 2))
    with pytest.raises(ValueError, match="every is 0"):
        open_sources([str(video)], every=0)


def test_a_broken_image_is_reported_and_the_rest_goes_on(folder: Path) -> None:
    (folder / "b.png").write_bytes((folder / "b.png").read_bytes()[:100])
    (folder / "bb.png").touch()
    (source,) = open_sources([str(folder)])
    kinds = [(type(item), item.index) for item in source]
    assert kinds == [(Frame, 0), (FailedFrame, 1), (FailedFrame, 2), (Frame, 3)]
    errors = [item.error for item in source if isinstance(item, FailedFrame)]
    assert "does not decode as an image (100 bytes" in errors[0]
    assert "the file is empty" in errors[1]


def test_cut_jpeg(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    cv2.imwrite(str(path), _image())
    whole = path.read_bytes()
    assert read_image(path).shape == (48, 64, 3)
    path.write_bytes(whole + b"trailing bytes that some cameras write")
    assert read_image(path).shape == (48, 64, 3)
    for length in (3, 20, 200, len(whole) // 2, len(whole) - 2):
        path.write_bytes(whole[:length])
        with pytest.raises(SourceError, match=r"cut off|does not decode"):
            read_image(path)


def test_gray_and_alpha_become_bgr(tmp_path: Path) -> None:
    for name, channels in (("gray.png", 1), ("alpha.png", 4)):
        cv2.imwrite(str(tmp_path / name), np.full((8, 8, channels), 90, np.uint8))
        assert read_image(tmp_path / name).shape == (8, 8, 3)


def test_video(video: Path) -> None:
    (source,) = open_sources([str(video)])
    assert (source.frame_count, source.fps) == (20, 10)
    frames = list(source)
    assert [frame.index for frame in frames] == list(range(20))
    assert [round(frame.time_s, 3) for frame in frames[:3]] == [0.0, 0.1, 0.2]
    assert abs(int(frames[5].image.mean()) - 50) <= 2
    source.close()


def test_video_that_ends_in_the_middle_of_a_frame(tmp_path: Path) -> None:
    video = tmp_path / "cut.avi"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter_fourcc(*"MJPG"), 10, (320, 240))
    for number in range(20):
        writer.write(_image(number, (240, 320)))
    writer.release()
    data = video.read_bytes()
    video.write_bytes(data[: len(data) // 2])
    (source,) = open_sources([str(video)])
    *frames, last = source
    assert 5 < len(frames) < 15
    assert isinstance(last, FailedFrame)
    assert f"ended after {len(frames)} of 20 frames; the file is cut off or damaged" in last.error


def test_mixed_sources_keep_their_order(folder: Path, video: Path) -> None:
    names = [
        source.name for source in open_sources([str(folder / "b.png"), str(folder / "c.bmp"), str(video)])
    ]
    assert names == ["2 images", str(video)]


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        pytest.param("missing.jpg", "no such file or folder", id="missing"),
        pytest.param("*.nothing", "no file matches this pattern", id="empty glob"),
        pytest.param(
            "cam93", r"cam93: there is no /dev/video93; (devices here|this machine has no)", id="camera"
        ),
        pytest.param("/dev/video93", "there is no /dev/video93", id="device"),
        pytest.param("rtsp://user:secret@host/1", r"rtsp://\*\*\*@host/1: network streams", id="stream"),
    ],
)
def test_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str, text: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError, match=text) as caught:
        open_sources([spec])
    assert "secret" not in str(caught.value)


def test_refuses_files_of_other_kinds(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no video")
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(SourceError, match="does not open as a video"):
        open_sources([str(tmp_path / "notes.txt")])
    with pytest.raises(SourceError, match="the file is empty"):
        open_sources([str(tmp_path / "empty.mp4")])
    (tmp_path / "sub").mkdir()
    with pytest.raises(SourceError, match="holds no images and no videos"):
        open_sources([str(tmp_path / "sub")])


def test_redact() -> None:
    assert redact("open rtsp://a:b@h/x and http://h/y") == "open rtsp://***@h/x and http://h/y"


def test_camera_devices_are_listed_by_number(tmp_path: Path) -> None:
    for name in ("video10", "video2", "video", "videos"):
        (tmp_path / name).touch()
    assert camera_devices(tmp_path) == [str(tmp_path / "video2"), str(tmp_path / "video10")]


def test_newest_frame_wins_and_drops_are_counted() -> None:
    place = NewestFrame()
    items = [FailedFrame("cam0", index, 0.0, "") for index in range(4)]
    assert place.get(0.01) is None
    for item in items[:3]:
        place.put(item)
    assert place.get(1) is items[2]
    assert place.dropped == 2
    threading.Timer(0.05, place.put, [items[3]]).start()
    assert place.get(5) is items[3]
    assert place.dropped == 2
    threading.Timer(0.05, place.close).start()
    assert place.get(5) is None


class _FakeCapture:
    """Stands for cv2.VideoCapture: V4L2 cannot be opened on the machines where the tests run."""

    def __init__(self, frames: int) -> None:
        self.left = frames
        self.released = False

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return True

    def get(self, _: int) -> float:
        return 30.0

    def read(self) -> tuple[bool, np.ndarray | None]:
        self.left -= 1
        return (True, _image()) if self.left >= 0 else (False, None)

    def release(self) -> None:
        self.released = True


def test_camera_that_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    from yolo_edge.sources import camera

    capture = _FakeCapture(3)
    monkeypatch.setattr(camera.Path, "exists", lambda self: True)
    monkeypatch.setattr(cv2, "VideoCapture", lambda *_: capture)
    source = camera.CameraSource(0)
    items = list(source)
    assert isinstance(items[-1], FailedFrame)
    assert "stopped delivering frames" in items[-1].error
    assert source.dropped + len(items) == 4
    source.close()
    assert capture.released
