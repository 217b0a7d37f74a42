from __future__ import annotations

import io
import json
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from yolo_edge.detections import Detections
from yolo_edge.drawing import class_color, draw_detections
from yolo_edge.errors import SinkError
from yolo_edge.sinks.annotated import AnnotatedSink
from yolo_edge.sinks.files import OutputFolder, replace_output
from yolo_edge.sinks.jsonl import JsonLinesSink
from yolo_edge.sinks.text import TextSink
from yolo_edge.sinks.window import WindowSink
from yolo_edge.sinks.yolo_txt import YoloTxtSink
from yolo_edge.sources.base import FailedFrame, Frame

NAMES = ("person", "car")


def _frame(source: str = "in/street.jpg", index: int = 0, *, still: bool = True) -> Frame:
    image = np.full((60, 80, 3), 128, np.uint8)
    path = Path(source)
    return Frame(
        image, source, index, index / 10, time.time(), time.monotonic(), path, still, None if still else 10.0
    )


def _found(count: int = 2) -> Detections:
    boxes = np.array([[10, 10, 30, 50], [-5, 0, 80, 60]], np.float32)[:count]
    return Detections(boxes, np.array([0.9, 0.4])[:count], np.array([1, 0])[:count], NAMES)


def test_jsonl_lines(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    with JsonLinesSink(str(path)) as sink:
        sink.write(_frame("rtsp://user:secret@host/1", 7), _found())
        assert path.read_text().endswith("}\n"), "a line is on the disk as soon as it is written"
        sink.write(_frame(), _found(0))
        sink.fail(FailedFrame("bad.jpg", 3, 0.0, "bad.jpg: does not decode"))
        assert sink.outputs == [f"3 lines in {path}"]
    first, empty, failed = map(json.loads, path.read_text().splitlines())
    assert list(first) == [
        *("source", "frame", "time_s", "captured_at", "age_ms", "width", "height", "detections"),
    ]
    assert (first["source"], first["frame"], first["time_s"]) == ("rtsp://***@host/1", 7, 0.7)
    assert (first["width"], first["height"]) == (80, 60)
    assert first["captured_at"].endswith("Z")
    assert 0 <= first["age_ms"] < 10_000
    assert first["detections"][0]["name"] == "car"
    assert empty["detections"] == []
    assert failed == {
        "source": "bad.jpg",
        "frame": 3,
        "captured_at": "1970-01-01T00:00:00.000Z",
        "error": "bad.jpg: does not decode",
    }


def test_jsonl_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    with JsonLinesSink("-") as sink:
        sink.write(_frame(), _found())
        assert sink.outputs == []
    assert json.loads(capsys.readouterr().out)["source"] == "in/street.jpg"


def test_jsonl_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="cannot be written: No such file or directory"):
        JsonLinesSink(str(tmp_path / "no" / "out.jsonl"))
    with pytest.raises(SinkError, match="/dev/full: cannot be written: No space left on device"):
        JsonLinesSink("/dev/full").write(_frame(), _found())


@pytest.mark.parametrize(
    ("confidence", "expected"),
    [
        pytest.param(False, "1 0.250000 0.500000 0.250000 0.666667", id="plain"),
        pytest.param(True, "1 0.250000 0.500000 0.250000 0.666667 0.900000", id="confidence"),
    ],
)
def test_yolo_txt(tmp_path: Path, confidence: bool, expected: str) -> None:
    with YoloTxtSink(tmp_path / "labels", confidence=confidence) as sink:
        sink.write(_frame(), _found(1))
        sink.write(_frame("other.png"), _found(0))
        sink.write(_frame("street.avi", 12, still=False), _found(1))
    names = sorted(path.name for path in (tmp_path / "labels").iterdir())
    assert names == ["other.txt", "street.txt", "street_000012.txt"]
    assert (tmp_path / "labels" / "street.txt").read_text() == expected + "\n"
    assert (tmp_path / "labels" / "other.txt").read_text() == ""


def test_annotated_images_keep_their_names(tmp_path: Path) -> None:
    with AnnotatedSink(tmp_path / "out") as sink:
        sink.write(_frame("a/street.png"), _found())
        sink.write(_frame("b/street.png"), _found(0))
        assert sink.outputs == [f"2 images in {tmp_path / 'out'}"]
    drawn = cv2.imread(str(tmp_path / "out" / "street.png"))
    assert np.array_equal(drawn, draw_detections(_frame().image, _found()))
    assert (cv2.imread(str(tmp_path / "out" / "street_2.png")) == 128).all()


def test_annotated_video_plays(tmp_path: Path) -> None:
    with AnnotatedSink(tmp_path / "out", every=2) as sink:
        for index in range(0, 20, 2):  # 10 frames per second, each second one
            sink.write(_frame("street.avi", index, still=False), _found())
    capture = cv2.VideoCapture(str(tmp_path / "out" / "street.mp4"))
    assert capture.get(cv2.CAP_PROP_FPS) == 5
    count = 0
    while capture.read()[0]:
        count += 1
    assert count == 10


def test_the_source_is_never_overwritten(tmp_path: Path) -> None:
    image = tmp_path / "street.png"
    cv2.imwrite(str(image), _frame().image)
    before = image.read_bytes()
    with AnnotatedSink(tmp_path) as sink, pytest.raises(SinkError, match="would overwrite the source"):
        sink.write(_frame(str(image)), _found())
    assert image.read_bytes() == before


def test_no_other_source_is_overwritten(tmp_path: Path) -> None:
    """``run a b --save b``: the picture of a has the name of one in b, here through a link to that folder."""
    (tmp_path / "b").mkdir()
    (tmp_path / "link").symlink_to("b")
    theirs = tmp_path / "b/street.png"
    theirs.write_bytes(b"not drawn yet")
    mine = tmp_path / "street.png"
    sink = AnnotatedSink(tmp_path / "link", sources=[mine, theirs])
    with sink, pytest.raises(SinkError, match="would overwrite the source"):
        sink.write(_frame(str(mine)), _found())
    assert theirs.read_bytes() == b"not drawn yet"


def test_unwritable_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkError, match="cannot be made a folder for output"):
        OutputFolder(tmp_path / "file" / "out")


def test_replace_file_keeps_the_old_one_on_failure(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    replace_output(target, b"old")
    target.with_name(f".{target.name}.{__import__('os').getpid()}.tmp").mkdir()
    with pytest.raises(SinkError, match="cannot be written"):
        replace_output(target, b"new")
    assert target.read_bytes() == b"old"


def test_text(capsys: pytest.CaptureFixture[str]) -> None:
    with TextSink() as sink:
        sink.write(_frame(), _found())
        sink.write(_frame(), _found(0))
        sink.write(_frame("cam0", 4, still=False), _found(0))
        sink.write(_frame("cam0", 5, still=False), _found(1))
    assert capsys.readouterr().out.splitlines() == [
        "in/street.jpg: 1 car, 1 person",
        "in/street.jpg: nothing",
        "cam0 frame 5: 1 car",
    ]


def test_window_without_a_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(SinkError, match="--show: there is no screen"):
        WindowSink()


def test_drawing_leaves_the_image_alone_and_survives_odd_boxes() -> None:
    image = np.zeros((40, 60, 3), np.uint8)
    boxes = np.array([[-1e4, -1e4, 1e4, 1e4], [59, 39, 60, 40], [10, 10, 10, 10]], np.float32)
    found = Detections(boxes, np.ones(3), np.zeros(3), ("a name that is wider than the image",))
    drawn = draw_detections(image, found)
    assert not image.any()
    assert drawn.any()
    assert len({class_color(i) for i in range(80)}) == 80


def test_progress_in_a_log() -> None:
    from yolo_edge.progress import Progress

    stream = io.StringIO()
    Progress(stream=stream).message("hello")
    assert stream.getvalue() == "hello\n"
