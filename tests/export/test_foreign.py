"""Other tools' ONNX files become bundles with raw heads for every target, and find what our exports find."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from foreign_exports import Exported, write_module, write_onnx
from torch import nn

from yolo_edge import Detections, Detector, load_bundle
from yolo_edge.checking.agreement import box_agreement
from yolo_edge.importing import ImportOptions, import_model
from yolo_edge.importing.options import parse_anchors
from yolo_edge.scene import draw_scene
from yolo_export import export_bundle, read_checkpoint

Command = Callable[..., Any]

ANCHORS = "10,13,16,30,33,23/30,61,62,45,59,119/116,90,156,198,373,326"
ANCHORS_PX = parse_anchors(ANCHORS)
NAMES = ("cat", "dog", "bird")
STATIC = (128, 160)
IMAGES = [draw_scene(size, seed) for seed, size in enumerate([(90, 160), (160, 90), (120, 120)])]
FORMS = ("raw4", "raw4+sigmoid", "raw5", "raw5+sigmoid", "flat", "rawrows", "concat", "decoded")


def boxes(bundle: Any, **arguments: Any) -> list[Detections]:
    with Detector(bundle, threads=1, **arguments) as detector:
        return [detector.detect(image, conf=0.4) for image in IMAGES]


def same(found: list[Detections], expected: list[Detections]) -> None:
    assert all(len(each) > 5 for each in expected)
    for ours, theirs in zip(found, expected):
        assert box_agreement(ours, theirs) >= 0.99


@pytest.mark.parametrize(
    ("form", "static"),
    [
        *(pytest.param(form, static, id=f"{form} {static}") for form in FORMS for static in (None, STATIC)),
        pytest.param("v6.0", STATIC, id="v6.0 static"),
        pytest.param("v6.0", None, id="v6.0 dynamic"),
    ],
)
def test_every_form(form: str, static: Any, tiny_checkpoint: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    decoded = form in ("decoded", "v6.0")
    file = write_onnx(tmp_path / "x.onnx", tiny_checkpoint, form, static=static)
    options = ImportOptions(NAMES, None if decoded else ANCHORS_PX)
    report = export_bundle(
        file, ["onnx", "ncnn"], out=tmp_path, size_hw=static or (128, 128), import_options=options
    )
    assert [row.max_head_error < limit for row, limit in zip(report.verifications, (1e-4, 1e-3))] == [
        True
    ] * 2
    assert any("anchors were computed" in note for note in report.notes) == decoded
    bundle = load_bundle(tmp_path / "x.edge")
    assert bundle.imported and bundle.provenance["file"] == "x.onnx"
    assert [head.anchors_px for head in bundle.heads] == list(ANCHORS_PX)
    for target in bundle.targets:
        assert [(o.layout, o.activation, o.head) for o in target.outputs] == [
            ("c,h,w", "none", i) for i in range(3)
        ]
        assert target.input.shapes == ((STATIC,) if static else "dynamic")
        own = {"imgsz": STATIC, "letterbox": "square"} if static else {}
        same(boxes(bundle, engine=target.engine), boxes(tiny_bundle, engine=target.engine, **own))


def test_rows_in_another_order(tiny_checkpoint: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    file = write_onnx(tmp_path / "x.onnx", tiny_checkpoint, "decoded", order=[2, 0, 1])
    export_bundle(file, ["ncnn"], out=tmp_path, size_hw=(128, 128), import_options=ImportOptions(NAMES))
    bundle = load_bundle(tmp_path / "x.edge")
    assert [head.stride for head in bundle.heads] == [32, 8, 16]
    same(boxes(bundle), boxes(tiny_bundle, engine="ncnn"))
    file = write_onnx(tmp_path / "y.onnx", tiny_checkpoint, "concat", order=[2, 1, 0])
    with pytest.raises(
        RuntimeError, match="of the strides 32,16,8 in this order, not 8,16,32; give --strides 32,16"
    ):
        export_bundle(file, ["ncnn"], out=tmp_path, import_options=ImportOptions(NAMES, ANCHORS_PX))
    options = ImportOptions(NAMES, ANCHORS_PX[::-1], strides=(32, 16, 8))
    export_bundle(file, ["ncnn"], out=tmp_path, size_hw=(128, 128), import_options=options)
    same(boxes(tmp_path / "y.edge"), boxes(tiny_bundle, engine="ncnn"))


def test_the_command(
    yolo_export: Command, yolo_edge: Command, tiny_checkpoint: Path, scenes: Path, tmp_path: Path
) -> None:
    metadata = {"stride": 32, "names": dict(enumerate(NAMES))}
    file = write_onnx(tmp_path / "other.onnx", tiny_checkpoint, "raw5", metadata=metadata)
    missing = yolo_export("--to", "ncnn", file, cwd=tmp_path)
    assert missing.returncode == 1
    assert "give --anchors for 3 heads of 3 anchors (strides 8, 16, 32)" in missing.stderr
    assert "Traceback" not in missing.stderr
    flags = ("--anchors", ANCHORS, "--imgsz", 128)
    done = yolo_export("--to", "ncnn", file, *flags, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("wrote other.edge\n")
    assert "cutting the graph behind its heads" in done.stderr
    done = yolo_export("--to", "onnx", file, *flags, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    bundle = load_bundle(tmp_path / "other.edge")
    assert [target.engine for target in bundle.targets] == ["ncnn", "onnxruntime"]
    assert bundle.names == NAMES
    for engine in ("ncnn", "onnxruntime"):
        check = yolo_edge("check", bundle.path, "--engine", engine)
        assert check.returncode == 0, check.stderr
    run = yolo_edge("run", scenes, "--jsonl", "-", "--model", bundle.path)
    assert all(json.loads(line)["detections"] for line in run.stdout.splitlines())
    # An import would leave the file's outputs as they are, and drop the other target.
    again = yolo_edge("import", file, "--anchors", ANCHORS, cwd=tmp_path)
    assert again.returncode == 1 and "--force replaces it" in again.stderr
    assert len(load_bundle(bundle.path).targets) == 2
    assert yolo_edge("import", file, "--anchors", ANCHORS, "--force", cwd=tmp_path).returncode == 0
    done = yolo_export("--to", "ncnn", file, *flags, cwd=tmp_path)
    assert done.returncode == 1
    assert "was made with yolo-edge import, which leaves the outputs as they are; --force" in done.stderr


@pytest.mark.parametrize(
    ("words", "text"),
    [
        pytest.param(["x.onnx", "--opset", "13"], "the ONNX file x.onnx keeps its own, 17", id="opset"),
        pytest.param(["x.onnx", "--cfg", "yolov5n"], "--cfg is for weights without a network", id="cfg"),
        pytest.param(["x.pt", "--names", "a"], "--names: only for .onnx files", id="names of a checkpoint"),
        pytest.param(["x.onnx", "--anchors", "1"], "anchors: '1' is not a list of widths", id="anchors"),
        pytest.param(["x.onnx", "--imgsz", "100"], "--imgsz 100x100 is not a multiple", id="size"),
    ],
)  # fmt: skip
def test_bad_arguments(
    words: list[str], text: str, yolo_export: Command, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    shutil.copy(tiny_checkpoint, tmp_path / "x.pt")
    metadata = {"stride": 32, "names": dict(enumerate(NAMES))}
    write_onnx(tmp_path / "x.onnx", tiny_checkpoint, "decoded", metadata=metadata)
    done = yolo_export(*words, cwd=tmp_path)
    assert done.returncode in (1, 2)
    assert text in done.stderr
    assert not list(tmp_path.glob("*.edge"))


class Changed(Exported):
    """Rows that something was done to."""

    def __init__(self, checkpoint: Any, change: Callable[[torch.Tensor], torch.Tensor], form: str) -> None:
        super().__init__(checkpoint, form)
        self.change = change

    def forward(self, image: torch.Tensor) -> Any:
        return self.change(super().forward(image))


def other_sides(rows: torch.Tensor) -> torch.Tensor:
    """As YOLOv3 decodes them: not the square of twice the sigmoid."""
    return torch.cat((rows[..., :2], rows[..., 2:4] + 3, rows[..., 4:]), -1)


def other_centres(rows: torch.Tensor) -> torch.Tensor:
    return torch.cat((rows[..., :2] + 0.5, rows[..., 2:]), -1)


def mixed(rows: torch.Tensor) -> torch.Tensor:
    kernel = torch.eye(8).view(8, 8, 1) * 0.9
    return nn.functional.conv1d(rows.permute(0, 2, 1), kernel).permute(0, 2, 1).clamp(0, 1)


@pytest.mark.parametrize(
    ("change", "form", "text"),
    [
        pytest.param(other_sides, "decoded", "are not decoded from its heads as YOLOv5 does", id="sides"),
        pytest.param(other_centres, "decoded", "they differ by up to 0.00", id="centres"),
        pytest.param(mixed, "concat", "behind its outputs is no head", id="another convolution"),
        pytest.param(lambda rows: rows * 0.9, "concat", "whose scores are not those", id="scores"),
        pytest.param(lambda rows: rows * 1.01, "rawrows", "whose scores are not those", id="scaled logits"),
    ],
)
def test_what_cannot_be_proven_is_refused(
    change: Any, form: str, text: str, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    module = Changed(read_checkpoint(tiny_checkpoint), change, form)
    file = write_module(tmp_path / "x.onnx", module, static=STATIC)
    options = ImportOptions(NAMES, None if form == "decoded" else ANCHORS_PX)
    import_model(file, options, out=tmp_path / "imported.edge")
    with pytest.raises(RuntimeError) as caught:
        export_bundle(file, ["onnx"], out=tmp_path / "x.edge", import_options=options)
    assert text in str(caught.value)
    assert str(caught.value).startswith(str(file))
    assert "export the checkpoint itself" in str(caught.value)
    assert not (tmp_path / "x.edge").exists()


def test_control_flow_is_refused(tmp_path: Path) -> None:
    import onnx

    from yolo_export.foreign.graph import ForeignGraph

    make = onnx.helper.make_node
    value = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    branch = onnx.helper.make_graph([make("Constant", [], ["y"], value_float=1.0)], "branch", [], [value])
    node = make("If", ["c"], ["z"], then_branch=branch, else_branch=branch)
    given = onnx.helper.make_tensor_value_info("c", onnx.TensorProto.BOOL, [])
    result = onnx.helper.make_tensor_value_info("z", onnx.TensorProto.FLOAT, [1])
    onnx.save(
        onnx.helper.make_model(onnx.helper.make_graph([node], "g", [given], [result])), tmp_path / "x.onnx"
    )
    with pytest.raises(RuntimeError, match=r"x\.onnx: has control flow \(If\)"):
        ForeignGraph(tmp_path / "x.onnx")
    (tmp_path / "y.onnx").write_bytes(b"not a model")
    with pytest.raises(RuntimeError, match=r"y\.onnx: onnx cannot read it"):
        ForeignGraph(tmp_path / "y.onnx")


def test_names_that_are_taken(tiny_checkpoint: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    """Inner tensors of a file may be called as ours are."""
    import onnx

    file = write_onnx(tmp_path / "x.onnx", tiny_checkpoint, "raw5")
    model = onnx.load(str(file))
    taken = {
        model.graph.node[1].output[0]: "images",
        model.graph.node[2].output[0]: "head_8",
        "images": "data",
    }
    for node in model.graph.node:
        node.input[:] = [taken.get(name, name) for name in node.input]
        node.output[:] = [taken.get(name, name) for name in node.output]
    model.graph.input[0].name = "data"
    del model.graph.value_info[:]
    onnx.save(model, str(file))
    options = ImportOptions(NAMES, ANCHORS_PX)
    export_bundle(file, ["onnx", "ncnn"], out=tmp_path, size_hw=(128, 128), import_options=options)
    same(boxes(tmp_path / "x.edge", engine="ncnn"), boxes(tiny_bundle, engine="ncnn"))


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "form", "static"),
    [
        pytest.param("models/v5lite-e", "decoded", None, id="v5lite-e"),
        pytest.param("models/yolov5n", "raw5", (320, 320), id="yolov5n"),
        pytest.param("fixtures/yolov5-v5.0-s", "raw5", None, id="Focus"),
        pytest.param("fixtures/yolov5lite-g", "decoded", (320, 256), id="Focus and RepVGG"),
    ],
)
def test_networks_as_others_export_them(
    name: str, form: str, static: Any, shared: Path, tmp_path: Path
) -> None:
    """Not lowered: 5-D channel shuffles, strided slices, training branches."""
    checkpoint = read_checkpoint(shared / f"{name}.pt")
    module = Exported(checkpoint, form)
    module.network = checkpoint.network
    file = write_module(tmp_path / "x.onnx", module, static=static)
    anchors = None if form == "decoded" else tuple(map(tuple, checkpoint.anchors_px))
    options = ImportOptions(tuple(checkpoint.names), anchors)
    export_bundle(file, ["onnx", "ncnn"], out=tmp_path, size_hw=static or (256, 256), import_options=options)
    bundle = load_bundle(tmp_path / "x.edge")
    for mine, theirs in zip(bundle.heads, checkpoint.anchors_px):
        np.testing.assert_allclose(mine.anchors_px, theirs, rtol=1e-5)
    tensor = np.random.default_rng(1).random((1, 3, *(static or (192, 256))), np.float32)
    with torch.inference_mode():
        expected = [head[0].numpy() for head in checkpoint.network(torch.from_numpy(tensor))]
    for engine, limit in (("onnxruntime", 1e-4), ("ncnn", 1e-3)):
        with Detector(bundle, engine=engine, threads=1) as detector:
            for found, truth in zip(detector.compute_heads(tensor), expected):
                assert np.abs(found - truth).max() <= limit
