from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import pytest

from yolo_edge.errors import SourceError
from yolo_edge.sources import CaptureOptions, FailedFrame, Frame, open_sources, redact
from yolo_edge.sources.camera import camera_devices
from yolo_edge.sources.images import read_image
from yolo_edge.sources.newest import NewestFrame


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


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("shrink", [1, 2, 4, 8])
def test_images_are_shrunk_while_they_are_decoded(tmp_path: Path, suffix: str, shrink: int) -> None:
    path = tmp_path / f"a{suffix}"
    ramp = np.linspace(0, 255, 64, dtype=np.uint8)
    cv2.imwrite(str(path), np.broadcast_to(ramp[None, :, None], (48, 64, 3)).copy())
    image = read_image(path, shrink=shrink)
    assert image.shape == (48 // shrink, 64 // shrink, 3)
    wanted = ramp.reshape(-1, shrink).mean(1)
    assert np.abs(image[..., 1] - wanted).max() < 12


def test_a_shrunk_image_is_upright(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    cv2.imwrite(str(path), np.full((48, 64, 3), 90, np.uint8))
    whole = path.read_bytes()
    # A TIFF header and one entry: tag 0x0112 (orientation), one short, 6: turned by a quarter.
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    path.write_bytes(whole[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + whole[2:])
    assert read_image(path).shape == (64, 48, 3)
    assert read_image(path, shrink=2).shape == (32, 24, 3)


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
        pytest.param("", "a source is empty", id="empty name"),
        pytest.param("*.nothing", "no file matches this pattern", id="empty glob"),
        pytest.param(
            "cam93", r"cam93: there is no /dev/video93; (devices here|this machine has no)", id="camera"
        ),
        pytest.param("/dev/video93", "there is no /dev/video93", id="device"),
        pytest.param("rtmp://user:secret@host/1", r"rtmp://\*\*\*@host/1: rtmp:// is not supp", id="scheme"),
        pytest.param("rtsp:///1", "not an URL with a host", id="no host"),
        pytest.param("http://user:secret@host:x/", r"http://\*\*\*@host:x/: not an URL", id="port"),
        pytest.param("rpicam:", "neither rpicam-vid nor libcamera-vid is installed", id="no rpicam"),
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


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("open rtsp://a:b@h/x and http://h/y", "open rtsp://***@h/x and http://h/y", id="two"),
        pytest.param("rtsp://a:p@ss@h/x", "rtsp://***@h/x", id="@ in the password"),
        pytest.param("rtsp://a:p/ss@h/x", "rtsp://***@h/x", id="/ in the password"),
        pytest.param("rtsp://a:1/23@h/x", "rtsp://***@h/x", id="/ after digits"),
        pytest.param("rtsp://a:p?ss@h/x", "rtsp://***@h/x", id="? in the password"),
        pytest.param("rtsp://a@h/x", "rtsp://***@h/x", id="name only"),
        pytest.param("http://h/x?token=abc&w=3", "http://h/x?token=***&w=3", id="token"),
        pytest.param("http://h/x?w=3&Password=abc#t", "http://h/x?w=3&Password=***#t", id="password"),
        pytest.param("http://h/?loginuse=me&loginpas=1", "http://h/?loginuse=***&loginpas=***", id="Foscam"),
        pytest.param("rtsp://h/user=me&password=s_1&c=1", "rtsp://h/user=***&password=***&c=1", id="path"),
        pytest.param("http://h/x?access_token=a b", "http://h/x?access_token=*** b", id="access token"),
        pytest.param("http://h/x?api_key=a", "http://h/x?api_key=***", id="key"),
        pytest.param("http://[::1]:80/x?q=a@b", "http://[::1]:80/x?q=a@b", id="IPv6"),
        pytest.param("http://h:8080/?mail=a@b&monkey=1", "http://h:8080/?mail=a@b&monkey=1", id="no secret"),
        pytest.param("url='rtsp://a:b@h/x' ! fakesink", "url='rtsp://***@h/x' ! fakesink", id="quoted"),
        pytest.param("", "", id="empty"),
    ],
)
def test_redact(text: str, shown: str) -> None:
    assert redact(text) == shown


def test_camera_devices_are_listed_by_number(tmp_path: Path) -> None:
    for name in ("video10", "video2", "video", "videos"):
        (tmp_path / name).touch()
    assert camera_devices(tmp_path) == [str(tmp_path / "video2"), str(tmp_path / "video10")]


def test_newest_frame_wins_and_drops_are_counted() -> None:
    place: NewestFrame[int] = NewestFrame()
    assert place.get(0.01) is None
    for item in (1, 2, 3):
        place.put(item)
    assert place.get(1) == 3
    assert place.dropped == 2
    threading.Timer(0.05, place.put, [4]).start()
    assert place.get(5) == 4
    threading.Timer(0.05, place.close).start()
    assert place.get(5) is None


def test_failures_are_never_overtaken() -> None:
    place: NewestFrame[int] = NewestFrame()
    failures = [FailedFrame("cam0", index, 0.0, "") for index in range(2)]
    for item in (1, failures[0], 2, 3, failures[1]):
        place.put(item)
    assert [place.get(0.01) for _ in range(5)] == [1, failures[0], 3, failures[1], None]
    for index in range(1000):
        place.put(FailedFrame("cam0", index, 0.0, ""))
    place.close(OSError("the reader failed"))
    waiting = 0
    with pytest.raises(OSError, match="the reader failed"):
        while place.get(0.01) is not None:
            waiting += 1
    assert waiting < 100
    assert place.get(0.01) is None


class _FakeCapture:
    """Stands for cv2.VideoCapture: V4L2 cannot be opened on the machines where the tests run."""

    FIXED: ClassVar[dict[int, float]] = {cv2.CAP_PROP_FPS: 25.0, cv2.CAP_PROP_FRAME_WIDTH: 640.0}

    def __init__(self, frames: int) -> None:
        self.left = frames
        self.released = False
        self.values = {cv2.CAP_PROP_FRAME_HEIGHT: 480.0}
        self.order: list[int] = []

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return True

    def get(self, name: int) -> float:
        if name == cv2.CAP_PROP_POS_MSEC:  # the driver's time stamp
            return time.monotonic() * 1e3 - 40
        return {**self.values, **self.FIXED}.get(name, 0.0)

    def set(self, name: int, value: float) -> bool:
        self.values[name] = value
        self.order.append(name)
        return True

    def read(self) -> tuple[bool, np.ndarray | None]:
        self.left -= 1
        return (True, _image()) if self.left >= 0 else (False, None)

    def release(self) -> None:
        self.released = True


@pytest.fixture
def captures(monkeypatch: pytest.MonkeyPatch) -> list[_FakeCapture]:
    """Cameras of three frames each, as they are opened."""
    from yolo_edge.sources import camera

    opened: list[_FakeCapture] = []

    def open_capture(index: int, backend: int) -> _FakeCapture:
        assert (index, backend) == (0, cv2.CAP_V4L2)
        opened.append(_FakeCapture(3))
        return opened[-1]

    monkeypatch.setattr(camera.Path, "exists", lambda self: True)
    monkeypatch.setattr(cv2, "VideoCapture", open_capture)
    return opened


def test_camera_that_stops_is_opened_again(captures: list[_FakeCapture]) -> None:
    (source,) = open_sources(["cam0"], capture=CaptureOptions(retries=2, first_delay_s=0.01))
    items = []
    for item in source:
        items.append(item)
        if sum(isinstance(item, FailedFrame) for item in items) == 3:
            break
    failures = [item for item in items if isinstance(item, FailedFrame)]
    assert all(failure.error == "cam0: stopped delivering frames" for failure in failures)
    frames = [item for item in items if isinstance(item, Frame)]
    assert all(frame.fps == 25 and 0.03 < time.monotonic() - frame.captured_clock < 20 for frame in frames)
    source.close()
    assert len(captures) >= 3
    assert all(capture.released for capture in captures)


def test_camera_says_what_the_driver_gives_instead(captures: list[_FakeCapture]) -> None:
    options = CaptureOptions(size_wh=(1280, 720), fps=30, pixel_format="MJPG")
    with pytest.warns(UserWarning) as caught:
        (source,) = open_sources(["/dev/video0"], capture=options)
    source.close()
    assert [str(warning.message) for warning in caught] == [
        "cam0: size 1280x720 was asked for, the driver gives 640x720",
        "cam0: 30 frames per second were asked for, the driver gives 25",
    ]
    # The sizes and rates that a driver offers depend on the format.
    assert captures[0].order[0] == cv2.CAP_PROP_FOURCC


@pytest.mark.parametrize(
    ("options", "text"),
    [
        pytest.param({"size_wh": (640, 480)}, "a size is for camN, rpicam: and demo", id="size"),
        pytest.param({"pixel_format": "MJPG"}, "a format is for camN", id="format"),
        pytest.param({"rtsp_transport": "udp"}, "an RTSP transport is for rtsp://", id="transport"),
        pytest.param({"fps": 5, "rtsp_transport": "udp"}, "a frame rate .*; an RTSP transport", id="both"),
    ],
)
def test_options_that_no_source_has_are_refused(video: Path, options: dict, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        open_sources([str(video), "http://127.0.0.1:1/"], capture=CaptureOptions(**options))


def test_pipelines_need_an_opencv_with_gstreamer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "Video I/O:\n    GStreamer:   NO\n")
    with pytest.raises(SourceError, match="'GStreamer:   NO'"):
        open_sources(["gst:videotestsrc"])
    opened = []
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "    GStreamer:   YES (1.22.0)\n")
    monkeypatch.setattr(cv2, "VideoCapture", lambda *args: opened.append(args) or _FakeCapture(2))
    (source,) = open_sources(["gst:videotestsrc"], capture=CaptureOptions(retries=0))
    *frames, last = source
    assert frames
    assert isinstance(last, FailedFrame)
    assert last.error == "gst:videotestsrc: the pipeline ended or stopped delivering frames"
    assert opened[0][:2] == (
        "videotestsrc ! videoconvert ! video/x-raw,format=BGR ! appsink drop=true max-buffers=1 sync=false",
        cv2.CAP_GSTREAMER,
    )
