"""``yolo-edge-native run``: the same lines as ``yolo-edge run``, and what happens when something is wrong."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from yolo_edge.scene import draw_scene

Command = Callable[..., "subprocess.CompletedProcess[str]"]

ONE_THREAD = ("--threads", 1)  # other numbers may round otherwise


def _lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def _timeless(lines: list[dict]) -> list[dict]:
    assert all(line["captured_at"].endswith("Z") and len(line["captured_at"]) == 24 for line in lines)
    return [{key: line[key] for key in line if key not in ("captured_at", "age_ms")} for line in lines]


@pytest.fixture
def both(native: Command, yolo_edge: Command) -> Callable[..., list[dict]]:
    """Runs both commands with the same arguments; both must do the same. Returns the lines, but for times."""

    def run(*arguments: object, cwd: Path | None = None) -> list[dict]:
        common = ("run", "--engine", "ncnn", *ONE_THREAD, "--quiet", "--jsonl", "-", *arguments)
        ours, theirs = native(*common, cwd=cwd), yolo_edge(*common, cwd=cwd)
        assert ours.returncode == theirs.returncode, ours.stderr + theirs.stderr
        assert ours.stderr == theirs.stderr
        lines = _lines(ours.stdout)
        assert [list(line) for line in lines] == [list(line) for line in _lines(theirs.stdout)]
        assert _timeless(lines) == _timeless(_lines(theirs.stdout))
        # Numbers and escapes are spelt the same too: what Python reads and writes again stays as it was.
        assert [json.dumps(line, ensure_ascii=False) for line in lines] == ours.stdout.splitlines()
        return lines

    return run


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of pictures with awkward names and shapes, two of them damaged."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, size_hw in (
        ("plain.png", (90, 160)),
        ('quo"te\\back\tslash.png', (120, 120)),
        ("Straße 道.PNG", (60, 200)),
        ("one.png", (1, 1)),
        ("thin.png", (4000, 1)),
        ("wide.bmp", (1, 4000)),
        ("map.ppm", (100, 70)),
    ):
        cv2.imwrite(str(folder / name.replace("PNG", "png")), draw_scene(size_hw, seed=3))
    (folder / "Straße 道.png").rename(folder / "Straße 道.PNG")
    grey_alpha = np.dstack([draw_scene((80, 80), 5), np.full((80, 80), 128, np.uint8)])
    cv2.imwrite(str(folder / "alpha.png"), grey_alpha)
    cv2.imwrite(str(folder / "grey.png"), draw_scene((80, 80), 6)[..., 0])
    cv2.imwrite(str(folder / "deep.png"), draw_scene((80, 80), 7).astype(np.uint16) * 257)
    (folder / "broken.jpg").write_bytes(b"no image at all")
    (folder / "empty.png").write_bytes(b"")
    (folder / "notes.txt").write_text("not looked at")
    return folder


def test_the_same_lines_as_the_python_command(both: Command, tiny_bundle: Path, pictures: Path) -> None:
    lines = both("--model", tiny_bundle, "--conf", 0.05, pictures)
    assert len(lines) == 12
    assert [line["frame"] for line in lines] == list(range(12))
    assert sum("error" in line for line in lines) == 2
    assert sum(len(line.get("detections", ())) for line in lines) > 50


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["./pictures//plain.png", "pictures/"], id="untidy paths"),
        pytest.param(["pictures/*.png", "*/../pictures/m?p.ppm"], id="patterns"),
        pytest.param(["**/*.bmp"], id="any depth"),
        pytest.param(["pictures", "--every", 3, "--max-frames", 2], id="some frames"),
        pytest.param(["pictures", "--conf", 0, "--max-detections", 3], id="lowest confidence"),
        pytest.param(["pictures", "--classes", "dog, 2", "--agnostic", "--iou", 0.2], id="boxes"),
        pytest.param(["pictures", "--imgsz", "96x160", "--letterbox", "square"], id="network"),
    ],
)
def test_the_same_arguments(
    both: Command, tiny_bundle: Path, pictures: Path, arguments: list[object]
) -> None:
    assert both("--model", tiny_bundle, *arguments, cwd=pictures.parent)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(both: Command, tiny_bundle: Path, tmp_path: Path, orientation: int) -> None:
    # Grey and flat in each 8x8 block, so that every JPEG decoder gives the same pixels.
    blocks = np.random.default_rng(0).integers(0, 32, (10, 16), np.uint8) * 8
    jpeg = cv2.imencode(".jpg", np.kron(blocks, np.ones((8, 8), np.uint8)), [cv2.IMWRITE_JPEG_QUALITY, 100])[
        1
    ]
    tiff = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0" + bytes([orientation]) + bytes(6)
    exif = b"Exif\0\0" + tiff
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    path = tmp_path / "turned.jpg"
    path.write_bytes(jpeg.tobytes()[:2] + segment + jpeg.tobytes()[2:])
    (line,) = both("--model", tiny_bundle, "--conf", 0.05, path)
    assert (line["width"], line["height"]) == ((128, 80) if orientation < 5 else (80, 128))


def _iou(a: list[float], b: list[float]) -> float:
    both = max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


@pytest.mark.shared
def test_real_photographs(
    native: Command, yolo_edge: Command, real_bundles: Path, shared: Path, tmp_path: Path
) -> None:
    photographs = sorted((shared / "data" / "coco-val64" / "images").glob("*.jpg"))[:8]
    common = ("run", "--engine", "ncnn", *ONE_THREAD, "--quiet", "--jsonl", "-")
    model = ("--model", real_bundles / "v5lite-e.edge")
    for number, path in enumerate(photographs):
        cv2.imwrite(str(tmp_path / f"{number}.png"), cv2.imread(str(path)))
    ours, theirs = (run(*common, *model, tmp_path) for run in (native, yolo_edge))
    assert _timeless(_lines(ours.stdout)) == _timeless(_lines(theirs.stdout))
    # JPEG decoders differ by a grey level here and there. That moves confidences by up to 0.011 on these
    # pictures, and of two boxes for one thing NMS may then keep the other one.
    ours, theirs = (run(*common, *model, *photographs) for run in (native, yolo_edge))
    found = 0
    for a, b in zip(_lines(ours.stdout), _lines(theirs.stdout)):
        for box in a["detections"]:
            if box["confidence"] < 0.3:
                continue
            found += 1
            assert any(
                other["class_id"] == box["class_id"]
                and abs(other["confidence"] - box["confidence"]) < 0.03
                and _iou(other["xyxy"], box["xyxy"]) > 0.9
                for other in b["detections"]
            ), box
    assert found > 20


def test_text_and_summary(native: Command, tiny_bundle: Path, scenes: Path) -> None:
    done = native("run", "--model", tiny_bundle, *ONE_THREAD, scenes)
    assert done.returncode == 0
    assert [line.split(": ")[0] for line in done.stdout.splitlines()] == [
        str(scenes / name) for name in ("a.png", "b.jpg", "c.png")
    ]
    assert (
        f"model {tiny_bundle} (yolov5-lite, 3 classes), engine ncnn fp32, 1 threads on CPUs " in done.stderr
    )
    assert "3 frames in" in done.stderr


def test_the_model_is_found_as_by_the_python_command(
    native: Command, tiny_bundle: Path, scenes: Path, tmp_path: Path
) -> None:
    done = native("run", scenes, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "no model: give --model NAME.edge" in done.stderr
    shutil.copytree(tiny_bundle, tmp_path / "a.edge")
    done = native("run", scenes, *ONE_THREAD, cwd=tmp_path)
    assert done.returncode == 0
    assert "model a.edge (" in done.stderr
    shutil.copytree(tiny_bundle, tmp_path / "b.edge")
    done = native("run", scenes, cwd=tmp_path)
    assert done.returncode == 1
    assert "there are several bundles here: a.edge, b.edge; choose one with --model" in done.stderr
    done = native("run", scenes, *ONE_THREAD, cwd=tmp_path, YOLO_EDGE_MODEL=str(tiny_bundle))
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        pytest.param(["--threads", 0], "threads is 0; it must be a whole number of at least 1", id="threads"),
        pytest.param(["--threads", "two"], "argument --threads: invalid int value: 'two'", id="word"),
        pytest.param(["--threads"], "argument --threads: expected one argument", id="no value"),
        pytest.param(["--cluster", "huge"], "huge", id="cluster"),
        pytest.param(["--affinity", "4-x"], "'4-x' is no set of CPUs", id="affinity"),
        pytest.param(["--cluster", "all", "--affinity", "0"], "choose one", id="cluster and affinity"),
        pytest.param(["--precision", "int3"], "int3", id="precision"),
        pytest.param(["--conf", 2], "conf is 2; it must be a number from 0 to 1", id="conf"),
        pytest.param(["--conf", "nan"], "conf is nan", id="nan"),
        pytest.param(["--iou", -1], "iou is -1", id="iou"),
        pytest.param(["--imgsz", 100], "stride 32; the nearest that are: 96, 128", id="imgsz"),
        pytest.param(["--imgsz", "big"], "'big' is not an image size", id="imgsz word"),
        pytest.param(["--classes", "horse"], "no class horse; it has: 0 cat, 1 dog, 2 bird", id="class"),
        pytest.param(["--engine", "tengine"], "tengine", id="engine"),
        pytest.param(["--letterbox", "round"], "invalid choice: 'round'", id="letterbox"),
        pytest.param(["--max-frames", 0], "max-frames is 0", id="max frames"),
        pytest.param(["--every", 0], "every is 0", id="every"),
        pytest.param(["--max-detections", 0], "max_detections is 0", id="max detections"),
        pytest.param(["--nonsense"], "unrecognized arguments: --nonsense", id="flag"),
        pytest.param(["--max", 3], "could match --max-detections, --max-frames", id="shortened too far"),
        pytest.param(["--quiet=yes"], "argument --quiet: takes no value", id="switch with value"),
    ],
)
def test_wrong_usage(
    native: Command, tiny_bundle: Path, scenes: Path, flags: list[object], text: str
) -> None:
    done = native("run", "--model", tiny_bundle, scenes, *flags)
    assert (done.returncode, done.stdout) == (2, "")
    assert text in done.stderr
    assert done.stderr.startswith("yolo-edge-native run: error: ")


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        pytest.param([], 2, "are required: COMMAND", id="nothing"),
        pytest.param(["detect"], 2, "unknown command 'detect' (choose from run, bench, info)", id="command"),
        pytest.param(["run"], 2, "are required: SOURCE", id="no source"),
        pytest.param(["run", "missing.jpg"], 1, "missing.jpg: no such file or folder", id="missing"),
        pytest.param(["run", "*.jpg"], 1, "*.jpg: no file matches this pattern", id="pattern"),
        pytest.param(["run", "."], 1, "the folder holds no images and no videos", id="empty folder"),
        pytest.param(["run", "cam0"], 1, "cameras are read by the Python command", id="camera"),
        pytest.param(
            ["run", "rtsp://me:secret@board/1"], 1, "rtsp://***@board/1: network streams", id="stream"
        ),
        pytest.param(["run", "IMAGES", "--model", "no.edge"], 1, "no.edge", id="no bundle"),
        pytest.param(
            ["run", "IMAGES", "--jsonl", "no/o.jsonl"], 1, "no/o.jsonl: cannot be written", id="jsonl"
        ),
        pytest.param(
            ["run", "IMAGES", "--jsonl", "/dev/full"], 1, "/dev/full: cannot be written: No space", id="full"
        ),
    ],
)
def test_a_bad_world(
    native: Command,
    tiny_bundle: Path,
    scenes: Path,
    tmp_path: Path,
    arguments: list[str],
    code: int,
    text: str,
) -> None:
    given = [str(scenes) if argument == "IMAGES" else argument for argument in arguments]
    model = {} if "--model" in given else {"YOLO_EDGE_MODEL": str(tiny_bundle)}
    done = native(*given, cwd=tmp_path, **model)
    assert (done.returncode, done.stdout) == (code, "")
    assert text in done.stderr


def test_full_standard_output(native_program: Path, tiny_bundle: Path, scenes: Path) -> None:
    with Path("/dev/full").open("w") as full:
        for command in (["run", "--model", tiny_bundle, scenes, "--jsonl", "-"], ["--help"], ["info"]):
            done = subprocess.run(
                [native_program, *map(str, command)],
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
            assert done.returncode == 1
            assert "standard output: cannot be written: No space left on device" in done.stderr


def test_video_needs_opencv(native: Command, tiny_bundle: Path, clip: Path) -> None:
    done = native("run", "--model", tiny_bundle, *ONE_THREAD, "--quiet", "--jsonl", "-", clip)
    if "OpenCV" in native("info").stdout:
        assert [line["frame"] for line in _lines(done.stdout)] == list(range(12))
    else:
        assert (done.returncode, done.stdout) == (1, "")
        assert "built without OpenCV" in done.stderr


@pytest.mark.parametrize(
    ("name", "head"),
    [
        pytest.param("bomb.ppm", b"P6\n32768 32768\n255\n", id="ppm"),
        pytest.param("huge.ppm", b"P6\n999999 999999\n255\n", id="ppm beyond"),
        pytest.param(
            "bomb.bmp",
            b"BM" + bytes(4) + bytes(4) + b"\x36\0\0\0\x28\0\0\0\0\0\x10\0\0\0\x10\0\1\0\x18\0",
            id="bmp",
        ),
        pytest.param("short.ppm", b"P6\n400 300\n255\n", id="cut ppm"),
    ],
)
def test_images_larger_than_their_file(
    native_program: Path, tiny_bundle: Path, tmp_path: Path, name: str, head: bytes
) -> None:
    (tmp_path / name).write_bytes(head + bytes(200))
    command = [
        native_program,
        "run",
        "--model",
        tiny_bundle,
        "--quiet",
        *map(str, ONE_THREAD),
        tmp_path / name,
    ]
    started = time.monotonic()
    done = subprocess.run(
        ["bash", "-c", 'ulimit -v 1000000; exec "$@"', "-", *map(str, command)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 1
    assert f"{name}: does not decode as an image" in done.stderr
    assert time.monotonic() - started < 60


def test_a_png_bomb(native: Command, tiny_bundle: Path, tmp_path: Path) -> None:
    # 20,000 x 20,000 black pixels are 1.2 GB, in a file of less than 2 MB.
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    row = bytes(1 + 3 * 20_000)
    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(row * 100) for _ in range(200)) + packer.flush()
    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    path = tmp_path / "bomb.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )
    done = native("run", "--model", tiny_bundle, "--quiet", *ONE_THREAD, path)
    assert done.returncode == 1
    assert "does not decode as an image" in done.stderr


def _start(program: Path, *arguments: object) -> subprocess.Popen[str]:
    command = [program, "run", *map(str, ONE_THREAD), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_reader_that_has_enough_ends_the_run(native_program: Path, tiny_bundle: Path, scenes: Path) -> None:
    run = _start(native_program, "--model", tiny_bundle, "--jsonl", "-", *[scenes] * 2000)
    assert run.stdout is not None
    assert json.loads(run.stdout.readline())["frame"] == 0
    run.stdout.close()
    assert run.wait(timeout=60) == 0
    assert run.stderr is not None
    assert "error" not in run.stderr.read()


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_finishes_its_outputs(
    native_program: Path, tiny_bundle: Path, scenes: Path, tmp_path: Path, signum: signal.Signals
) -> None:
    jsonl = tmp_path / "o.jsonl"
    run = _start(native_program, "--model", tiny_bundle, "--jsonl", jsonl, *[scenes] * 5000)
    deadline = time.monotonic() + 60
    while not (jsonl.exists() and jsonl.read_text().count("\n") > 10) and time.monotonic() < deadline:
        time.sleep(0.02)
    run.send_signal(signum)
    _, stderr = run.communicate(timeout=60)
    assert run.returncode == 130
    written = len(_lines(jsonl.read_text()))
    assert 10 < written < 15000
    assert f"{written} frames in" in stderr
    assert f"wrote {written} lines in {jsonl}" in stderr


def test_an_interrupt_while_nobody_reads(native_program: Path, tiny_bundle: Path, scenes: Path) -> None:
    run = _start(native_program, "--model", tiny_bundle, "--jsonl", "-", *[scenes] * 5000)
    assert run.stdout is not None
    time.sleep(3)  # the pipe is full now
    run.send_signal(signal.SIGINT)
    assert run.wait(timeout=60) == 130
    assert run.stderr is not None
    assert "frames in" in run.stderr.read()
    run.stdout.close()
