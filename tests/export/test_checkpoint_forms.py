"""Every form in which training, its tools and old or new releases of torch save a checkpoint."""

from __future__ import annotations

import argparse
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import torch
import torch.distributed
from checkpoints import ANCHORS_PX, STRIDES, write_checkpoint, yolov5, yolov5_lite
from torch import nn

from yolo_export.checkpoint import Checkpoint, read_checkpoint
from yolo_export.errors import CheckpointError
from yolo_export.models import Conv, Detect, Network

IMAGE = torch.rand(1, 3, 96, 64, generator=torch.Generator().manual_seed(1))

NEW, LEGACY = pytest.param({}, id="zip"), pytest.param({"_use_new_zipfile_serialization": False}, id="legacy")


def heads(network: Network) -> list[torch.Tensor]:
    with torch.no_grad():
        return network(IMAGE)


def assert_same(checkpoint: Checkpoint, network: Network, atol: float = 0.0) -> None:
    for got, expected in zip(heads(checkpoint.network), heads(network)):
        assert torch.allclose(got, expected, rtol=0, atol=atol)
    assert checkpoint.names == ["cat", "dog", "bird"]
    assert checkpoint.strides == STRIDES
    assert checkpoint.anchors_px == ANCHORS_PX


@pytest.mark.parametrize("saved", [NEW, LEGACY])
@pytest.mark.parametrize("made", [yolov5, yolov5_lite])
@pytest.mark.parametrize("half", [True, False])
def test_both_file_formats(tmp_path: Path, saved: dict[str, Any], made: Any, half: bool) -> None:
    path = write_checkpoint(tmp_path / "best.pt", made(), half=half, **saved)
    assert path.read_bytes().startswith(b"\x80\x02" if saved else b"PK")
    assert_same(read_checkpoint(path), made())


@pytest.mark.parametrize("protocol", range(2, 6))
@pytest.mark.parametrize("saved", [NEW, LEGACY])
def test_pickle_protocols(tmp_path: Path, saved: dict[str, Any], protocol: int) -> None:
    path = write_checkpoint(tmp_path / "best.pt", yolov5(), pickle_protocol=protocol, **saved)
    assert_same(read_checkpoint(path), yolov5())


@pytest.mark.parametrize(
    ("dtype", "atol"),
    [
        pytest.param(torch.float64, 0.0, id="double"),
        pytest.param(torch.float32, 0.0, id="float"),
        pytest.param(torch.float16, 0.0, id="half"),
        # Eight bits for a weight: only that the reading is right is of interest, to some 1 %.
        pytest.param(torch.bfloat16, 0.5, id="bfloat16"),
    ],
)
@pytest.mark.parametrize("saved", [NEW, LEGACY])
def test_precisions(tmp_path: Path, saved: dict[str, Any], dtype: torch.dtype, atol: float) -> None:
    network = yolov5()
    path = write_checkpoint(tmp_path / "best.pt", network, half=False, dtype=dtype, **saved)
    checkpoint = read_checkpoint(path)
    assert {parameter.dtype for parameter in checkpoint.network.parameters()} == {torch.float32}
    weights = dict(network.named_parameters())
    for name, parameter in checkpoint.network.named_parameters():
        assert torch.equal(parameter, weights[name].to(dtype).float())
    for got, expected in zip(heads(checkpoint.network), heads(network)):
        assert torch.allclose(got, expected, rtol=0, atol=atol)


@pytest.fixture
def process_group() -> Any:
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("key", ["model", "ema", None])
@pytest.mark.parametrize("saved", [NEW, LEGACY])
def test_data_parallel(tmp_path: Path, key: str | None, saved: dict[str, Any]) -> None:
    path = write_checkpoint(tmp_path / "best.pt", yolov5(), key=key, wrap=nn.DataParallel, **saved)
    assert_same(read_checkpoint(path), yolov5())


def test_distributed_data_parallel(tmp_path: Path, process_group: None) -> None:
    path = write_checkpoint(
        tmp_path / "best.pt", yolov5(), half=False, wrap=nn.parallel.DistributedDataParallel
    )
    assert_same(read_checkpoint(path), yolov5())


def _sync(model: Any) -> nn.Module:
    return nn.SyncBatchNorm.convert_sync_batchnorm(model)


def test_synchronised_batch_norm(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "best.pt", yolov5(), wrap=_sync)
    assert b"SyncBatchNorm" in path.read_bytes()
    assert_same(read_checkpoint(path), yolov5())


def _bind_forward(model: Any) -> None:
    """As exporters do: a method of the object in the place of that of its class."""
    detect = model.model[-1]
    detect.forward = detect.forward
    for module in model.modules():
        if isinstance(module, Conv):
            module.forward = module.forward
    model.forward_once = model.forward


@pytest.mark.parametrize("saved", [NEW, LEGACY])
@pytest.mark.parametrize("protocol", [2, 5])
def test_replaced_forward(tmp_path: Path, saved: dict[str, Any], protocol: int) -> None:
    path = write_checkpoint(
        tmp_path / "best.pt", yolov5(), edit=_bind_forward, pickle_protocol=protocol, **saved
    )
    assert b"getattr" in path.read_bytes()
    assert_same(read_checkpoint(path), yolov5())


def _fuse(model: Any) -> None:
    """As YOLOv5's own fuse(): the norm is folded into the convolution, then removed or set to None."""
    for index, module in enumerate(list(model.modules())):
        if isinstance(module, Conv):
            conv, norm = module.conv, module.bn
            scale = norm.weight / (norm.running_var + norm.eps).sqrt()
            conv.weight.data = conv.weight * scale.view(-1, 1, 1, 1)
            conv.bias = nn.Parameter(norm.bias - norm.running_mean * scale)
            if index % 2:
                del module.bn
            else:
                module.bn = None
            module.forward = module.forward


def test_fused(tmp_path: Path) -> None:
    network = yolov5()
    path = write_checkpoint(tmp_path / "best.pt", network, half=False, edit=_fuse)
    checkpoint = read_checkpoint(path)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in checkpoint.network.modules())
    assert_same(checkpoint, network, atol=1e-4)


def _training_state() -> dict[str, Any]:
    """What train.py keeps beside the network while it runs, and the objects that some forks keep whole."""
    layer = nn.Conv2d(3, 4, 1)
    optimizers = [
        torch.optim.SGD(layer.parameters(), 0.1, momentum=0.9, nesterov=True),
        torch.optim.Adam(layer.parameters()),
        torch.optim.AdamW(layer.parameters()),
    ]
    layer(torch.rand(1, 3, 4, 4)).sum().backward()
    for optimizer in optimizers:
        optimizer.step()
    scaler = torch.amp.GradScaler("cpu")
    return {
        "optimizer": optimizers[0].state_dict(),
        "more_optimizers": optimizers,
        "scheduler": torch.optim.lr_scheduler.StepLR(optimizers[0], 3),
        "scaler": scaler.state_dict(),
        "whole_scaler": scaler,
        "training_results": " 0/299  1.2G \n" * 300,
        "wandb_id": None,
        "git": {"remote": None, "branch": "master", "commit": "915bbf2"},
        "opt": {
            "imgsz": 416,
            "epochs": 300,
            "batch_size": 16,
            "data": PurePosixPath("data/coco.yaml"),
            "weights": "",
            "hyp": {"lr0": 0.01},
        },
        "date": "2023-05-01T10:00:00",
    }


@pytest.mark.parametrize("saved", [NEW, LEGACY])
def test_state_of_training(tmp_path: Path, saved: dict[str, Any]) -> None:
    path = write_checkpoint(
        tmp_path / "last.pt", yolov5(), key="ema", outer={**_training_state(), "updates": 1234}, **saved
    )
    checkpoint = read_checkpoint(path)
    assert_same(checkpoint, yolov5())
    assert checkpoint.training == {
        "epoch": -1,
        "date": "2023-05-01T10:00:00",
        "updates": 1234,
        "imgsz": 416,
        "epochs": 300,
        "batch_size": 16,
        "data": "data/coco.yaml",
        "weights": "",
    }


def test_options_of_older_training(tmp_path: Path) -> None:
    options = argparse.Namespace(img_size=[640, 640], epochs=5, evolve=False)
    path = write_checkpoint(
        tmp_path / "last.pt", yolov5(), outer={"opt": options, "best_fitness": float("nan")}
    )
    assert read_checkpoint(path).training == {"epoch": -1, "imgsz": 640, "epochs": 5}


@pytest.mark.parametrize("per_head", [1, 2, 5])
@pytest.mark.parametrize("anchor_grid", [True, False])
def test_own_anchors(tmp_path: Path, per_head: int, anchor_grid: bool) -> None:
    """As autoanchor makes them: other sizes, other numbers."""
    anchors = torch.arange(1, 3 * per_head * 2 + 1).float().view(3, per_head, 2) * 4
    network = yolov5()
    sources, layers = network.sources, list(network.layers)
    layers[-1] = Detect(3, per_head, (16, 24, 32))
    wanted = Network(list(zip(layers, sources)))

    def set_anchors(model: Any) -> None:
        detect = model.model[-1]
        detect.anchors = anchors / detect.stride.view(-1, 1, 1)
        if anchor_grid:
            detect.anchor_grid = anchors.view(3, 1, per_head, 1, 1, 2)

    path = write_checkpoint(
        tmp_path / "best.pt", wanted, half=False, edit=set_anchors, anchor_grid=anchor_grid
    )
    checkpoint = read_checkpoint(path)
    assert checkpoint.anchors_px == [[tuple(anchor) for anchor in head] for head in anchors.tolist()]
    assert checkpoint.network.detect.na == per_head


def _mark_tensors(model: Any) -> None:
    """A parameter and a tensor with attributes of their own, which newer torch writes in other forms."""
    model.model[0].conv.weight.fan_in = 12
    model.model[0].bn.running_mean.origin = "me"
    model.model[0].steps = torch.tensor([1, 2], dtype=torch.int64).untyped_storage()


@pytest.mark.parametrize("saved", [NEW, LEGACY])
def test_tensors_with_attributes(tmp_path: Path, saved: dict[str, Any]) -> None:
    path = write_checkpoint(tmp_path / "best.pt", yolov5(), edit=_mark_tensors, **saved)
    content = path.read_bytes()
    for name in (b"_rebuild_parameter_with_state", b"_rebuild_from_type_v2", b"UntypedStorage"):
        assert name in content
    assert_same(read_checkpoint(path), yolov5())


class _Typed:
    """Pickles a tensor as torch writes types without a storage class: plain bytes and the type's name."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self._tensor = tensor

    def __reduce__(self) -> Any:
        tensor = self._tensor
        arguments = (
            tensor.untyped_storage(),
            0,
            tuple(tensor.shape),
            tensor.stride(),
            False,
            {},
            tensor.dtype,
        )
        return torch._utils._rebuild_tensor_v3, arguments


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_tensors_over_plain_bytes(tmp_path: Path, dtype: torch.dtype) -> None:
    network = yolov5()

    def retype(model: Any) -> None:
        conv = model.model[0].conv
        conv._parameters["weight"] = _Typed(conv.weight.detach().to(dtype))

    path = write_checkpoint(tmp_path / "best.pt", network, edit=retype)
    assert b"_rebuild_tensor_v3" in path.read_bytes()
    got = read_checkpoint(path).network.layers[0].conv.weight
    assert torch.equal(got, network.layers[0].conv.weight.to(dtype).float())


def test_shared_storages(tmp_path: Path) -> None:
    """Tensors that are views into one storage, as after a flattening optimizer."""
    network = yolov5()

    def flatten(model: Any) -> None:
        flat = torch.cat([parameter.detach().flatten() for parameter in model.parameters()])
        offset = 0
        for parameter in model.parameters():
            parameter.data = flat[offset : offset + parameter.numel()].view(parameter.shape)
            offset += parameter.numel()

    assert_same(read_checkpoint(write_checkpoint(tmp_path / "best.pt", network, edit=flatten)), network)


def test_channels_last(tmp_path: Path) -> None:
    path = write_checkpoint(
        tmp_path / "best.pt", yolov5(), edit=lambda model: model.to(memory_format=torch.channels_last)
    )
    assert_same(read_checkpoint(path), yolov5())


def test_pip_package_named_yolov5(tmp_path: Path) -> None:
    blocks = ("Conv", "C3", "SPPF", "Bottleneck", "Concat")
    rename = {f"models.common.{name}": f"yolov5.models.common.{name}" for name in blocks}
    rename |= {
        "models.yolo.Detect": "yolov5.models.yolo.Detect",
        "Model": "yolov5.models.yolo.DetectionModel",
    }
    path = write_checkpoint(tmp_path / "best.pt", yolov5(), rename=rename)
    content = path.read_bytes()
    assert b"cyolov5.models.yolo\nDetectionModel\n" in content
    assert b"cmodels." not in content
    assert_same(read_checkpoint(path), yolov5())


class Ensemble(nn.ModuleList):
    """Stands for YOLOv5's list of networks, which its loader of weights makes."""


ENSEMBLE = {f"{Ensemble.__module__}.Ensemble": "models.experimental.Ensemble"}


@pytest.mark.parametrize("key", ["model", None], ids=["in a dict", "bare"])
def test_ensemble_of_one(tmp_path: Path, key: str | None) -> None:
    path = write_checkpoint(
        tmp_path / "best.pt", yolov5(), key=key, rename=ENSEMBLE, wrap=lambda model: Ensemble([model])
    )
    assert b"models.experimental\nEnsemble" in path.read_bytes()
    assert_same(read_checkpoint(path), yolov5())


@pytest.mark.parametrize(
    ("count", "message"),
    [
        (2, "holds an ensemble of 2 networks; export the checkpoint of one of them"),
        (0, "has a models.experimental.Ensemble without a network in it"),
    ],
)
def test_other_ensembles_are_refused(tmp_path: Path, count: int, message: str) -> None:
    path = write_checkpoint(
        tmp_path / "best.pt", yolov5(), rename=ENSEMBLE, wrap=lambda model: Ensemble([model] * count)
    )
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(path)
