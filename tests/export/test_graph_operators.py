"""What the exported ONNX graphs are made of: every architecture, at small width, and the fixtures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from yolo_export.checkpoint import Checkpoint, read_checkpoint
from yolo_export.configs import load_config
from yolo_export.targets import OnnxIntermediate, create_target
from yolo_export.untrained import untrained_checkpoint

PLAIN = {"Concat", "Conv", "MaxPool", "Resize", "Mul", "Sigmoid"}
"""Of every YOLOv5 since v4.0; SiLU is Mul of Sigmoid, shortcuts are Add."""

SHUFFLE_FREE = {"Relu", "Split"}
"""Of units whose channels lie in the order in which they are read: no Reshape, no Transpose."""

OPERATORS = {
    "yolov5n": PLAIN | {"Add"},
    "yolov5n6": PLAIN | {"Add"},
    "yolov5n-p2": PLAIN | {"Add"},
    "yolov5n-ghost": PLAIN | {"Add"},
    "yolov5s-v5.0": PLAIN | {"Add"},
    "yolov5s6-v5.0": PLAIN | {"Add"},
    "yolov5s-transformer": PLAIN | {"Add", "MatMul", "Reshape", "Softmax", "Transpose"},
    "yolov5s-v3.1": {"Add", "Concat", "Conv", "HardSwish", "LeakyRelu", "MaxPool", "Resize"},
    "yolov5s-v2.0": {"Add", "Concat", "Conv", "LeakyRelu", "MaxPool", "Resize"},
    "yolov5s-v1.0": {"Add", "Concat", "Conv", "LeakyRelu", "MaxPool", "Resize"},
    "yolov5s-v1.0-fpn": {"Add", "Concat", "Conv", "LeakyRelu", "MaxPool", "Resize"},
    "yolov5-shufflenetv2": PLAIN | {"Add"} | SHUFFLE_FREE,
    "yolov5-mobilenetv3-small": (PLAIN - {"MaxPool"})
    | {"Add", "GlobalAveragePool", "HardSigmoid", "HardSwish", "Relu"},
    "yolov5-mobilenetv3-large": (PLAIN - {"MaxPool"})
    | {"Add", "GlobalAveragePool", "HardSigmoid", "HardSwish", "Relu"},
    "v5lite-e": PLAIN | {"Add"} | SHUFFLE_FREE,
    "v5lite-s": PLAIN | {"Add"} | SHUFFLE_FREE,
    "v5lite-c": (PLAIN - {"MaxPool"}) | {"Add", "GlobalAveragePool", "HardSwish", "Relu"},
    "v5lite-g": PLAIN | {"Add"},
}
"""Every operator that the graph of an architecture may have."""

FIXTURES = {
    "yolov5-mobilenetv3s": "yolov5-mobilenetv3-small",
    "yolov5-shufflenetv2": "yolov5-shufflenetv2",
    "yolov5-v1.0-s": "yolov5s-v1.0",
    "yolov5-v3.1-s": "yolov5s-v3.1",
    "yolov5-v5.0-s": "yolov5s-v5.0",
    "yolov5-v7.0-m": "yolov5n",
    "yolov5-v7.0-s-ghost": "yolov5n-ghost",
    "yolov5lite-c": "v5lite-c",
    "yolov5lite-g": "v5lite-g",
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Maps of so few channels are computed before a second thread is awake."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def small(name: str, folder: Path) -> Checkpoint:
    """A shipped architecture, very narrow and shallow: the graph has the same operators at any width."""
    import yaml

    _, description = load_config(name)
    fixed = name.startswith("yolov5-mobilenet")  # Its hidden channels do not scale.
    description.update(depth_multiple=0.33, width_multiple=1.0 if fixed else 0.125, nc=3)
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(description))
    return untrained_checkpoint(str(path))


def check_graph(checkpoint: Checkpoint, allowed: set[str]) -> onnx.ModelProto:
    model = onnx.load_from_string(OnnxIntermediate(checkpoint).in_form(create_target("onnx").form).model())
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    nodes = [node for node in model.graph.node if node.op_type != "Constant"]
    for node in model.graph.node:
        if node.op_type == "Constant":
            constants[node.output[0]] = onnx.numpy_helper.to_array(node.attribute[0].t)
    # No control flow, no computed shape: none of those operators is there at all.
    kinds = {node.op_type for node in nodes}
    assert kinds <= allowed
    assert not kinds & {"Cast", "Expand", "Gather", "If", "Loop", "Scan", "Shape", "Unsqueeze"}
    for node in nodes:
        given = [constants[name].tolist() for name in node.input[1:] if name in constants]
        if node.op_type == "Reshape":
            assert len(given) == 1 and len(given[0]) <= 4
        if node.op_type == "Slice":
            # Half of the channels, in one piece; nothing along height and width.
            starts, _, axes, *steps = given
            assert axes == [1] and steps in ([], [[1]]) and len(starts) == 1
    inferred = onnx.shape_inference.infer_shapes(model)
    for value in [*inferred.graph.value_info, *inferred.graph.output]:
        assert len(value.type.tensor_type.shape.dim) <= 4, value.name
    return model


@pytest.mark.long
@pytest.mark.parametrize("name", OPERATORS)
def test_operators_of_every_architecture(tmp_path: Path, name: str) -> None:
    checkpoint = small(name, tmp_path)
    model = check_graph(checkpoint, OPERATORS[name]).SerializeToString()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    image = torch.rand(1, 3, 192, 128, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = checkpoint.network(image)
    for mine, theirs in zip(session.run(None, {"images": image.numpy()}), expected):
        assert np.abs(mine - theirs.numpy()).max() <= 1e-4


def test_every_shipped_file_is_listed() -> None:
    from yolo_export import configs

    shipped = {path.stem for path in Path(configs.__file__).with_name("cfg").glob("*.yaml")} - {"index"}
    listed = {architecture for name, (architecture, _) in configs._entries().items() if name in OPERATORS}
    assert listed == shipped


@pytest.mark.shared
@pytest.mark.parametrize("fixture", FIXTURES)
def test_operators_of_the_fixtures(shared: Path, fixture: str) -> None:
    check_graph(read_checkpoint(shared / "fixtures" / f"{fixture}.pt"), OPERATORS[FIXTURES[fixture]])
