"""``yolo-edge val`` as users run it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from made_datasets import coco_content, write_coco, write_folder, write_image

from yolo_edge import Detector
from yolo_edge.datasets import open_dataset
from yolo_edge.options import DetectOptions
from yolo_edge.val import EVALUATION_OPTIONS, evaluate

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def folder(tmp_path: Path, tiny_bundle: Path) -> Path:
    """A dataset whose labels are the model's own most confident boxes."""
    folder = write_folder(tmp_path / "data", {"a": None, "b": None, "c": None})
    with Detector(tiny_bundle, threads=1) as detector:
        import cv2

        for path in sorted((folder / "images").iterdir()):
            image = cv2.imread(str(path))
            height, width = image.shape[:2]
            found = detector.detect(image, options=DetectOptions(conf=0.001, iou=0.3))
            sides = found.xyxy[:, 2:] - found.xyxy[:, :2]
            found = found[sides.min(axis=1) > 8][:3]
            rows = [
                f"{c} {(x0 + x1) / 2} {(y0 + y1) / 2} {x1 - x0} {y1 - y0}"
                for c, (x0, y0, x1, y1) in zip(
                    found.class_id.tolist(), (found.xyxy / [width, height, width, height]).tolist()
                )
            ]
            (folder / "labels" / f"{path.stem}.txt").write_text("\n".join(rows))
    return folder


@pytest.mark.parametrize("engine", ["onnxruntime", "ncnn"])
def test_tables_and_json(
    yolo_edge: Command, tiny_bundle: Path, folder: Path, tmp_path: Path, engine: str
) -> None:
    out = tmp_path / "val.json"
    done = yolo_edge("val", "--model", tiny_bundle, "--engine", engine, "--threads", 1, folder, "--json", out)
    assert done.returncode == 0, done.stderr
    assert f"{folder}\nimages: 3, objects: 9, classes: " in done.stdout
    for word in ("AP@[.50:.95]  ", "AP small", "AR@100", "stages overlap", "images per second"):
        assert word in done.stdout
    assert "creating index" not in done.stdout
    assert re.search(rf"engine {engine}( \(native\))? fp32, 1 threads on CPUs ", done.stderr)
    assert f"wrote {out}" in done.stderr
    report = json.loads(out.read_text())
    assert report["figures"]["ap50"] > 0.3
    assert report["figures"]["objects"] == sum(row["objects"] for row in report["classes"]) == 9
    assert f"{report['figures']['ap']:.4f}" in done.stdout
    assert report["model"]["engine"] == engine
    assert report["model"]["size_hw"] == [128, 128]
    assert report["model"]["threads"] == 1
    assert f"1 threads on CPUs {report['model']['cpus']}," in done.stderr
    assert all(len(digest) == 64 for digest in report["model"]["sha256"].values())
    assert len(report["model"]["provenance"]["checkpoint_sha256"]) == 64
    assert report["options"]["multi_label"] is True
    times = report["times"]
    assert max(times["inference_s"], times["decode_s"]) <= times["busy_s"] < times["total_s"]
    assert times["loop_s"] + times["average_precision_s"] == pytest.approx(times["total_s"])
    assert times["overhead"] == pytest.approx(1 - times["busy_s"] / times["total_s"])
    assert f"{times['overhead']:.1%} of the time neither was the engine at work" in done.stdout
    assert times["images"] == 3
    assert {path.name for path in tmp_path.iterdir()} == {"data", "val.json"}


def test_json_on_standard_output(yolo_edge: Command, tiny_bundle: Path, folder: Path) -> None:
    done = yolo_edge("val", "--model", tiny_bundle, folder, "--quiet", "--json", "-")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["dataset"]["images"] == 3


def test_the_same_figures_from_each_kind_of_dataset(tiny_bundle: Path, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "data")
    (folder / "data.yaml").write_text("val: images\nnames: [cat, dog, bird]\n")
    content = coco_content()
    for annotation in content["annotations"]:
        annotation.pop("area", None)
    coco = write_coco(folder / "instances.json", content)
    with Detector(tiny_bundle, threads=1) as detector:
        names = detector.bundle.names
        figures = [
            evaluate(detector, dataset).figures
            for dataset in (
                open_dataset(folder, names),
                open_dataset(folder / "data.yaml", names),
                open_dataset(coco, names, images=folder / "images"),
            )
        ]
    assert figures[0] == figures[1] == figures[2]


def test_flags_reach_the_detector(yolo_edge: Command, tiny_bundle: Path, folder: Path) -> None:
    def report(*flags: object) -> dict:
        done = yolo_edge("val", "--model", tiny_bundle, folder, "--quiet", "--json", "-", *flags)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    plain = report()
    assert plain["options"]["conf"] == EVALUATION_OPTIONS.conf == 0.001
    assert plain["options"]["iou"] == EVALUATION_OPTIONS.iou == 0.6
    assert plain["options"]["max_detections"] == EVALUATION_OPTIONS.max_detections == 300
    assert report("--conf", 0.5)["detections"] < plain["detections"]
    assert report("--max-detections", 2)["detections"] == 6
    assert report("--iou", 0.9, "--max-detections", 9999)["detections"] > plain["detections"]
    square = report("--letterbox", "square", "--imgsz", 160)["model"]
    assert (square["letterbox"], square["size_hw"]) == ("square", [160, 160])
    cpu = max(os.sched_getaffinity(0))
    bound = report("--affinity", cpu)["model"]
    assert (bound["threads"], bound["cpus"]) == (1, str(cpu))
    some = report("--classes", "cat,2")
    assert {row["name"] for row in some["classes"]} <= {"cat", "bird"}
    assert some["dataset"]["class_ids"] == [0, 2]


def test_the_model_is_found_in_the_working_folder(
    yolo_edge: Command, tiny_bundle: Path, folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_bundle, tmp_path / "work" / "a.edge")
    done = yolo_edge("val", folder, cwd=tmp_path / "work")
    assert done.returncode == 0
    assert "model a.edge (" in done.stderr


def test_an_image_that_fails_does_not_stop_the_rest(
    yolo_edge: Command, tiny_bundle: Path, folder: Path
) -> None:
    (folder / "images" / "b.png").write_bytes(b"no image")
    done = yolo_edge("val", "--model", tiny_bundle, folder, "--quiet")
    assert done.returncode == 1
    assert "b.png: does not decode as an image" in done.stderr
    assert "images: 2, objects: 6" in done.stdout
    assert "failed images, left out: 1 of 3" in done.stdout
    for name in "ac":
        (folder / "images" / f"{name}.png").write_bytes(b"")
    done = yolo_edge("val", "--model", tiny_bundle, folder)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == (
        f"yolo-edge val: error: {folder}: not one of its 3 images could be evaluated"
    )


def test_an_image_of_another_size_than_its_labels(
    yolo_edge: Command, tiny_bundle: Path, tmp_path: Path
) -> None:
    folder = write_folder(tmp_path / "data")
    coco = write_coco(folder / "instances.json", coco_content())
    write_image(folder / "images" / "a.png", (180, 320))
    (folder / "images" / "d.png").unlink()
    done = yolo_edge("val", "--model", tiny_bundle, coco, "--images", folder / "images")
    assert done.returncode == 1
    assert "a.png: is 320x180 pixels, but its labels are for 160x90" in done.stderr
    assert "d.png: cannot be read: No such file or directory" in done.stderr
    assert "images: 2, objects: 1, classes: 1" in done.stdout


def test_images_of_odd_shapes(tiny_bundle: Path, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "data", {"a": "0 .5 .5 1 1"})
    for size_hw in ((1, 1), (1, 4000), (4000, 1)):
        write_image(folder / "images" / f"{size_hw[0]}x{size_hw[1]}.png", size_hw)
    with Detector(tiny_bundle, threads=1) as detector:
        evaluation = evaluate(detector, open_dataset(folder, detector.bundle.names))
    assert (evaluation.times.images, evaluation.failures) == (4, ())


def test_what_was_put_right_is_said(yolo_edge: Command, tiny_bundle: Path, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "data", {"a": "0 .9 .5 .5 .5\n0 .9 .5 .5 .5"})
    labels = folder / "labels" / "a.txt"
    done = yolo_edge("val", "--model", tiny_bundle, folder, "--quiet")
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        f"warning: {folder}: boxes that reach outside their image, clipped: 1 (first: {labels}:1)",
        f"warning: {folder}: boxes that stand twice, dropped once: 1 (first: {labels}:2)",
    ]


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        pytest.param(["--conf", 2], "conf is 2.0; it must be a number from 0 to 1", id="conf"),
        pytest.param(["--iou", "x"], "invalid float value: 'x'", id="iou"),
        pytest.param(["--max-detections", 0], "max_detections is 0", id="max detections"),
        pytest.param(["--threads", 0], "threads is 0", id="threads"),
        pytest.param(["--imgsz", 100], "the model's stride 32", id="imgsz"),
        pytest.param(["--engine", "tengine"], "unknown engine 'tengine'", id="engine"),
        pytest.param(["--classes", "horse"], "the model has no class horse", id="class"),
        pytest.param(["--images", "."], "--images belongs to a COCO JSON file", id="images"),
        pytest.param(["more"], "unrecognized arguments: more", id="two datasets"),
    ],
)
def test_wrong_usage(
    yolo_edge: Command, tiny_bundle: Path, tmp_path: Path, flags: list[object], text: str
) -> None:
    folder = write_folder(tmp_path / "data")
    done = yolo_edge("val", "--model", tiny_bundle, folder, *flags)
    assert (done.returncode, done.stdout) == (2, "")
    assert text in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        pytest.param(["nowhere"], "nowhere: no such dataset", id="no dataset"),
        pytest.param(["DATA", "--model", "no.edge"], "no.edge: no such bundle", id="no bundle"),
        pytest.param(["DATA", "--json", "no/o.json"], "there is no folder no", id="json folder"),
        pytest.param(["DATA", "--json", "."], "it is a folder", id="json is a folder"),
        pytest.param(["DATA", "--split", "test"], "has no folder test", id="no split"),
    ],
)
def test_a_bad_world(
    yolo_edge: Command, tiny_bundle: Path, tmp_path: Path, arguments: list[str], text: str
) -> None:
    folder = write_folder(tmp_path / "data")
    given = [str(folder) if argument == "DATA" else argument for argument in arguments]
    model = [] if "--model" in given else ["--model", tiny_bundle]
    done = yolo_edge("val", *model, *given, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert text in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_without_pycocotools(yolo_edge: Command, tiny_bundle: Path, folder: Path, tmp_path: Path) -> None:
    # A package of that name that fails as a missing one does, before the real one in the search path.
    missing = "raise ModuleNotFoundError(\"No module named 'pycocotools'\", name='pycocotools')"
    (tmp_path / "pycocotools.py").write_text(missing)
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = yolo_edge("val", "--model", tiny_bundle, folder, PYTHONPATH=path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "yolo-edge val: error: evaluation needs the Python package pycocotools, which is not installed: "
        "pip install 'yolo-edge[val]'\n"
    )


def test_ctrl_c_ends_it_at_once(tiny_bundle: Path, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "data", {"a": "0 .5 .5 .5 .5"})
    for number in range(3000):
        (folder / "images" / f"{number}.png").symlink_to(folder / "images" / "a.png")
    program = Path(sys.executable).with_name("yolo-edge")
    process = subprocess.Popen(
        [program, "val", "--model", tiny_bundle, "--threads", "1", "--imgsz", "640", folder],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert process.stderr.readline().startswith(f"model {tiny_bundle}")
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in errors


def test_help_imports_little(yolo_edge: Command) -> None:
    assert "--max-detections N" in yolo_edge("val", "--help").stdout
    code = (
        "import sys\nfrom yolo_edge.cli import main\n"
        "try: main(['val', '--help'])\nexcept SystemExit: print(sorted(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.splitlines()[-1]
    assert not any(f"'{heavy}'" in loaded for heavy in ("numpy", "cv2", "pycocotools", "yaml"))


def test_classes_are_chosen_with_the_dataset(tiny_bundle: Path, folder: Path) -> None:
    with Detector(tiny_bundle, threads=1) as detector:
        dataset = open_dataset(folder, detector.bundle.names)
        with pytest.raises(ValueError, match="open_dataset"):
            evaluate(detector, dataset, options=DetectOptions(classes=[0]))


TABLE = {
    ("yolov5n", 640): {"rect": (0.3452, 0.4819), "square": (0.3312, 0.4738)},
    ("v5lite-s", 640): {"rect": (0.3485, 0.5253), "square": (0.3500, 0.5191)},
    ("v5lite-s", 320): {"rect": (0.3144, 0.4661), "square": (0.3080, 0.4785)},
    ("v5lite-e", 320): {"rect": (0.2721, 0.4462), "square": (0.2688, 0.4384)},
}
"""AP and AP50 on coco-val64 of the authors' own PyTorch code: ../shared/README.md."""


@pytest.mark.shared
@pytest.mark.parametrize("engine", ["onnxruntime", "ncnn"])
@pytest.mark.parametrize(("name", "size"), list(TABLE))
@pytest.mark.parametrize("mode", ["rect", "square"])
def test_average_precision_equals_the_training_framework_s(
    shared: Path, real_bundles: Path, yolo_edge: Command, name: str, size: int, mode: str, engine: str
) -> None:
    done = yolo_edge(
        *("val", "--quiet", "--model", real_bundles / f"{name}.edge", "--engine", engine),
        *("--imgsz", size, "--letterbox", mode, "--json", "-", shared / "data" / "coco-val64"),
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    figures, times = report["figures"], report["times"]
    shown = f"{figures['ap']:.4f} / {figures['ap50']:.4f}, overhead {times['overhead']:.1%}"
    print(name, size, mode, engine, shown)
    assert (figures["ap"], figures["ap50"]) == pytest.approx(TABLE[name, size][mode], abs=0.003)
    assert (report["dataset"]["images"], figures["objects"]) == (64, 440)
