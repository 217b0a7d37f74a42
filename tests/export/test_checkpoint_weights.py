"""Weights without a network: state dicts and safetensors files, with the YAML file that describes them."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints import ANCHORS_PX, STRIDES
from torch import nn

from yolo_export.checkpoint import read_checkpoint
from yolo_export.errors import CheckpointError, ConfigError
from yolo_export.models import Conv, Network
from yolo_export.yaml_network import build_network

IMAGE = torch.rand(1, 3, 96, 64, generator=torch.Generator().manual_seed(1))
DESCRIPTION: dict[str, Any] = {
    "nc": 80,
    "depth_multiple": 1.0,
    "width_multiple": 1.0,
    "anchors": [[side for anchor in head for side in anchor] for head in ANCHORS_PX],
    "backbone": [
        [-1, 1, "Conv", [8, 6, 2, 2]],
        [-1, 1, "Conv", [16, 3, 2]],
        [-1, 2, "C3", [16]],
        [-1, 1, "Conv", [16, 3, 2]],
        [-1, 1, "Conv", [24, 3, 2]],
        [-1, 1, "Conv", [32, 3, 2]],
        [-1, 1, "SPPF", [32, 5]],
    ],
    "head": [
        [-1, 1, "nn.Upsample", ["None", 2, "nearest"]],
        [[-1, 4], 1, "Concat", [1]],
        [-1, 1, "C3", [24, False]],
        [[3, 9, 6], 1, "Detect", ["nc", "anchors"]],
    ],
}


@pytest.fixture
def cfg(tmp_path: Path) -> str:
    path = tmp_path / "small.yaml"
    path.write_text(json.dumps(DESCRIPTION))  # JSON is YAML.
    return str(path)


def trained(classes: int = 3) -> Network:
    """The network of the YAML file with seeded numbers."""
    network = build_network(DESCRIPTION, classes=classes).network.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(2)
    for tensor in [*network.parameters(), *network.buffers()]:
        if tensor.is_floating_point():
            tensor.data = torch.rand(tensor.shape, generator=generator) * 0.2 + 0.05
    return network.eval()


def state_dict(network: Network, prefix: str = "model.") -> dict[str, torch.Tensor]:
    """By the names of the original repositories, contiguous."""
    return {
        name.replace("layers.", prefix, 1): value.contiguous() for name, value in network.state_dict().items()
    }


def heads(network: Network) -> list[torch.Tensor]:
    with torch.no_grad():
        return network(IMAGE)


def write_safetensors(path: Path, tensors: dict[str, torch.Tensor], **changes: Any) -> Path:
    """Write the format by hand, as its specification says."""
    names = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64"}
    table: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    data = b""
    for name, tensor in tensors.items():
        raw = bytes(tensor.contiguous().view(torch.uint8).flatten().tolist()) if tensor.dim() else bytes(8)
        table[name] = {
            "dtype": names[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    table.update(changes)
    head = json.dumps(table).encode()
    path.write_bytes(struct.pack("<Q", len(head)) + head + data)
    return path


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize(
    "wrap",
    [
        pytest.param(lambda weights: weights, id="bare"),
        pytest.param(lambda weights: {"model": weights, "epoch": 7}, id="under model"),
        pytest.param(lambda weights: {"state_dict": weights}, id="under state_dict"),
        pytest.param(lambda weights: {"ema": (weights, 3), "model": None}, id="average with updates"),
        pytest.param(
            lambda weights: {f"module.{key}": value for key, value in weights.items()}, id="data parallel"
        ),
        pytest.param(
            lambda weights: {f"model.model.{key}": value for key, value in weights.items()}, id="wrapped"
        ),
    ],
)
def test_state_dict(tmp_path: Path, cfg: str, wrap: Any, legacy: bool) -> None:
    network = trained()
    torch.save(wrap(state_dict(network)), tmp_path / "w.pt", _use_new_zipfile_serialization=not legacy)

    checkpoint = read_checkpoint(tmp_path / "w.pt", cfg)

    for got, expected in zip(heads(checkpoint.network), heads(network)):
        assert torch.equal(got, expected)
    assert checkpoint.strides == STRIDES
    assert checkpoint.anchors_px == ANCHORS_PX
    assert checkpoint.names == ["class0", "class1", "class2"]
    assert checkpoint.family == "yolov5"
    assert checkpoint.parameters == sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_safetensors(tmp_path: Path, cfg: str, dtype: torch.dtype) -> None:
    network = trained()
    weights = {
        name: value.to(dtype) if value.is_floating_point() else value
        for name, value in state_dict(network).items()
    }
    path = write_safetensors(tmp_path / "w.safetensors", weights)

    checkpoint = read_checkpoint(path, cfg)

    for name, value in checkpoint.network.state_dict().items():
        if value.is_floating_point():
            assert torch.equal(value, weights[name.replace("layers.", "model.", 1)].float())
    assert checkpoint.strides == STRIDES


def test_anchors_and_names_of_the_file_win(tmp_path: Path, cfg: str) -> None:
    anchors = torch.arange(1.0, 19.0).view(3, 3, 2)
    weights = {**state_dict(trained()), "model.10.anchors": anchors}
    torch.save({"model": weights, "names": ["a", "b", "c"]}, tmp_path / "w.pt")
    checkpoint = read_checkpoint(tmp_path / "w.pt", cfg)
    assert checkpoint.names == ["a", "b", "c"]
    expected = anchors * torch.tensor(STRIDES).view(3, 1, 1)
    assert checkpoint.anchors_px == [[tuple(anchor) for anchor in head] for head in expected.tolist()]


def test_fused_state_dict(tmp_path: Path, cfg: str) -> None:
    network = trained()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, Conv):
                conv, norm = module.conv, module.bn
                scale = norm.weight / (norm.running_var + norm.eps).sqrt()
                conv.weight = nn.Parameter(conv.weight * scale.view(-1, 1, 1, 1))
                conv.bias = nn.Parameter(norm.bias - norm.running_mean * scale)
                module.bn = nn.Identity()
    torch.save(state_dict(network), tmp_path / "w.pt")
    for got, expected in zip(heads(read_checkpoint(tmp_path / "w.pt", cfg).network), heads(network)):
        assert torch.equal(got, expected)


def test_shipped_network_by_name(tmp_path: Path) -> None:
    network = trained()
    torch.save(state_dict(network), tmp_path / "w.pt")
    with pytest.raises(CheckpointError, match=r"does not fit the network of yolov5n: .* tensors are missing"):
        read_checkpoint(tmp_path / "w.pt", "yolov5n")
    with pytest.raises(ValueError, match="there is no network 'yolov99'"):
        read_checkpoint(tmp_path / "w.pt", "yolov99")


@pytest.mark.shared
def test_published_weights_with_the_shipped_yaml(shared: Path, tmp_path: Path) -> None:
    whole = read_checkpoint(shared / "models" / "yolov5n.pt")
    torch.save(state_dict(whole.network), tmp_path / "w.pt")
    checkpoint = read_checkpoint(tmp_path / "w.pt", "yolov5n")
    for got, expected in zip(heads(checkpoint.network), heads(whole.network)):
        assert torch.equal(got, expected)
    assert checkpoint.anchors_px == whole.anchors_px
    with pytest.raises(CheckpointError, match="holds its network; read it without the YAML file yolov5n"):
        read_checkpoint(shared / "models" / "yolov5n.pt", "yolov5n")


def test_differences_are_counted(tmp_path: Path, cfg: str) -> None:
    weights = state_dict(trained())
    del weights["model.1.bn.running_mean"], weights["model.1.bn.running_var"]
    weights["model.1.conv.weight"] = torch.zeros(3, 3)
    weights["model.42.conv.weight"] = torch.zeros(3)
    torch.save(weights, tmp_path / "w.pt")
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(tmp_path / "w.pt", cfg)
    assert str(caught.value) == (
        f"{tmp_path / 'w.pt'}: does not fit the network of {cfg}: 2 tensors are missing, the first is "
        "1.bn.running_mean; 1 tensors are too many, the first is 42.conv.weight; 1 tensors have other sizes, "
        "the first is 1.conv.weight of (3, 3) instead of (16, 8, 3, 3); give the YAML file of its training"
    )


@pytest.mark.parametrize("kind", ["pt", "safetensors"])
def test_without_a_yaml_file(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"w.{kind}"
    if kind == "pt":
        torch.save(state_dict(trained()), path)
    else:
        write_safetensors(path, state_dict(trained()))
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(path)
    assert str(caught.value) == (
        f"{path}: has weights without a network; give the file that training saved (best.pt), "
        "or name the YAML file of the network as well (--cfg)"
    )


def test_bad_yaml_file(tmp_path: Path) -> None:
    torch.save(state_dict(trained()), tmp_path / "w.pt")
    (tmp_path / "bad.yaml").write_text("backbone: 3")
    with pytest.raises(ConfigError):
        read_checkpoint(tmp_path / "w.pt", str(tmp_path / "bad.yaml"))


def _row(dtype: Any = "F32", shape: Any = (1,), offsets: Any = (0, 4)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        pytest.param(
            _row("F8_E4M3"), "has a tensor evil of an unknown type; known types: BF16, BOOL,", id="type"
        ),
        pytest.param(_row(dtype=["F32"]), "has a tensor evil of an unknown type", id="type of a list"),
        pytest.param(None, "has a tensor evil of an unknown type", id="nothing"),
        pytest.param(_row(shape=[-1]), "whose size or place is not made of numbers", id="negative"),
        pytest.param(_row(shape=[1 << 62]), "whose size or place is not made of numbers", id="huge"),
        pytest.param(_row(shape=[1 << 39] * 8), "needs more than any file has bytes", id="huge product"),
        pytest.param(_row(shape=[1] * 9), "has a tensor evil of 9 dimensions", id="dimensions"),
        pytest.param(_row(shape="abc"), "whose size or place is not made of numbers", id="text"),
        pytest.param(_row(offsets=[0, 8]), "needs 4 bytes and has those from 0 to 8 of", id="too long"),
        pytest.param(_row(offsets=[8, 4]), "needs 4 bytes and has those from 8 to 4 of", id="backwards"),
        pytest.param(
            _row(offsets=[1 << 30, (1 << 30) + 4]),
            "has those from 1073741824 to 1073741828",
            id="past the end",
        ),
    ],
)
def test_hostile_safetensors(tmp_path: Path, cfg: str, row: Any, message: str) -> None:
    path = write_safetensors(tmp_path / "w.safetensors", {}, evil=row)
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(path, cfg)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(
            struct.pack("<Q", 1 << 40) + b"{" + b" " * 100, "has a table of 1099511627776 bytes", id="long"
        ),
        pytest.param(struct.pack("<Q", 1000) + b"{" + b" " * 100, "is cut short in its table", id="cut"),
        pytest.param(struct.pack("<Q", 3) + b"{a}", "has a damaged table of tensors", id="not json"),
        pytest.param(
            struct.pack("<Q", 200_010) + b'{"a":' + b"[" * 200_005,
            "has a damaged table of tensors",
            id="deep",
        ),
        pytest.param(struct.pack("<Q", 15) + b'{"a":1,"a":2}  ', "a name occurs twice", id="duplicate"),
        pytest.param(struct.pack("<Q", 2) + b"{}", "has neither 'ema' nor 'model'", id="empty"),
    ],
)
def test_damaged_safetensors(tmp_path: Path, cfg: str, content: bytes, message: str) -> None:
    (tmp_path / "w.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(tmp_path / "w.safetensors", cfg)
    assert message in str(caught.value)


def test_the_command_exports_weights_with_their_network(yolo_export: Any, cfg: str, tmp_path: Path) -> None:
    weights = state_dict(trained())
    generator = torch.Generator().manual_seed(3)
    for tensor in weights.values():  # boxes of different confidence need feature maps that vary
        if tensor.ndim == 4:
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * (2 / tensor[0].numel()) ** 0.5)
        elif tensor.is_floating_point():
            tensor += 0.9
    torch.save(weights, tmp_path / "weights.pt")
    done = yolo_export(
        tmp_path / "weights.pt", "--cfg", cfg, "--to", "onnx", "--imgsz", 64, "--out", tmp_path / "a.edge"
    )
    assert done.returncode == 0, done.stderr
    assert "into " + cfg in done.stderr
    done = yolo_export(tmp_path / "weights.pt", "--to", "onnx", cwd=tmp_path)
    assert done.returncode == 1
    assert "(--cfg)" in done.stderr
