"""Honest files that cannot be read are refused with one line that says what they are and what to do."""

from __future__ import annotations

import io
import struct
import tarfile
from pathlib import Path
from typing import Any, Callable

import pytest
import torch
import torch.distributed
from checkpoints import write_checkpoint, yolov5
from torch import nn

from yolo_export.checkpoint import read_checkpoint
from yolo_export.errors import CheckpointError


def refusal(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message[len(f"{path}: ") :]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param(
            "ultralytics.nn.tasks.DetectionModel",
            "is an Ultralytics checkpoint (YOLOv8 or later, or a YOLOv5u), whose heads have no anchors; "
            "only checkpoints of the YOLOv5 (v1.0 to v7.0) and YOLOv5-Lite repositories are read "
            "(it holds ultralytics.nn.tasks.DetectionModel)",
            id="ultralytics",
        ),
        pytest.param(
            "torch.ao.nn.quantized.modules.conv.Conv2d",
            "is a network quantised by torch; give the checkpoint from before quantisation "
            "(it holds torch.ao.nn.quantized.modules.conv.Conv2d)",
            id="quantised modules",
        ),
        pytest.param(
            "yolov5.models.yolo.SegmentationModel",
            "is a segmentation checkpoint (it holds models.yolo.SegmentationModel); "
            "only detection can be exported",
            id="segmentation of the pip package",
        ),
    ],
)
def test_other_networks_are_named(tmp_path: Path, name: str, message: str) -> None:
    assert refusal(write_checkpoint(tmp_path / "best.pt", yolov5(), rename={"Model": name})) == message


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        pytest.param("best.pt", b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull", id="lfs"),
        pytest.param("best.pt", b"\n<!DOCTYPE html><html>", "is a web page, not the file", id="page"),
        pytest.param("x.param", b"7767517\n1 1\n", "yolo-edge import takes it", id="ncnn"),
        pytest.param("net.yaml", b"nc: 1", "is a YAML file; --cfg takes it", id="yaml"),
        pytest.param("best.pt", b"weights", "torch saves checkpoints as zip archives", id="text"),
        pytest.param("best.pt", b"", "is empty", id="empty"),
    ],
)
def test_other_files_are_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert message in refusal(tmp_path / name)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(
            {"a": torch.zeros(2), "b": torch.zeros(1)}, "has 2 tensors without a network", id="dict"
        ),
        pytest.param(torch.zeros(2), "holds a single tensor; expected a dict", id="tensor"),
        pytest.param({}, "has neither 'ema' nor 'model'; it has: nothing", id="nothing"),
    ],
)
def test_other_contents_are_named(tmp_path: Path, content: Any, message: str) -> None:
    torch.save(content, tmp_path / "best.pt")
    assert refusal(tmp_path / "best.pt").startswith(message)


def _put(tensor: Callable[[], Any]) -> Callable[[Any], None]:
    def edit(model: Any) -> None:
        model.model[0].extra = tensor()

    return edit


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        pytest.param(
            lambda: torch.quantize_per_tensor(torch.rand(3), 0.1, 0, torch.qint8),
            "holds torch._utils._rebuild_qtensor: a quantised tensor; "
            "give the checkpoint from before quantisation",
            id="quantised",
        ),
        pytest.param(
            lambda: torch.eye(3).to_sparse(),
            "holds torch._utils._rebuild_sparse_tensor: a sparse tensor; save the model with dense weights",
            id="sparse",
        ),
        pytest.param(
            lambda: torch.empty(3, device="meta"),
            "holds torch._utils._rebuild_meta_tensor_no_storage: a tensor without numbers (device meta); "
            "save the model with its weights",
            id="meta",
        ),
    ],
)
def test_other_tensors_are_named(tmp_path: Path, tensor: Any, message: str) -> None:
    assert refusal(write_checkpoint(tmp_path / "best.pt", yolov5(), edit=_put(tensor))) == message


@pytest.mark.parametrize("wrapper", [nn.DataParallel], ids=["data parallel"])
def test_wrapper_without_a_network(tmp_path: Path, wrapper: Any) -> None:
    torch.save({"model": wrapper(nn.Identity())}, tmp_path / "best.pt")
    assert refusal(tmp_path / "best.pt").startswith(
        "holds a torch.nn.modules.linear.Identity where a network"
    )


def test_wrappers_in_wrappers(tmp_path: Path) -> None:
    def wrap(model: nn.Module) -> nn.Module:
        for _ in range(6):
            model = nn.DataParallel(model)
        return model

    path = write_checkpoint(tmp_path / "best.pt", yolov5(), wrap=wrap)
    assert refusal(path) == "has a network in more than 4 wrappers"


def legacy_bytes(tmp_path: Path) -> bytes:
    path = write_checkpoint(tmp_path / "old.pt", yolov5(), _use_new_zipfile_serialization=False)
    return path.read_bytes()


@pytest.mark.parametrize("share", [step / 20 for step in range(1, 20)] + [0.9999])
def test_legacy_cut_short(tmp_path: Path, share: float) -> None:
    content = legacy_bytes(tmp_path)
    path = tmp_path / "cut.pt"
    path.write_bytes(content[: int(len(content) * share)])
    assert refusal(path).startswith(("is damaged: storage", "has a damaged pickle", "is cut short"))


@pytest.mark.parametrize(
    ("found", "put", "message"),
    [
        pytest.param(
            b"little_endianq\x02\x88",
            b"little_endianq\x02\x89",
            "was written on a big-endian machine; only little-endian files are supported",
            id="big endian",
        ),
        pytest.param(
            b"M\xe9\x03.",
            b"M\xea\x03.",
            "is not a checkpoint: its first pickles are not those that torch writes",
            id="other version",
        ),
    ],
)
def test_legacy_heads(tmp_path: Path, found: bytes, put: bytes, message: str) -> None:
    content = legacy_bytes(tmp_path)
    assert content.count(found) == 1
    path = tmp_path / "old.pt"
    path.write_bytes(content.replace(found, put))
    assert refusal(path) == message


def test_legacy_storage_that_says_it_is_longer(tmp_path: Path) -> None:
    path = tmp_path / "old.pt"
    torch.save({"a": torch.zeros(3)}, path, _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    tail = struct.pack("<q", 3) + bytes(12)
    assert content.endswith(tail)
    path.write_bytes(content[: -len(tail)] + struct.pack("<q", 1 << 62) + bytes(12))
    assert refusal(path).endswith("; copy it again")
    path.write_bytes(content[: -len(tail)] + struct.pack("<q", 2) + bytes(12))
    assert "has 8 bytes where its tensors need 12" in refusal(path)


def test_tar_file_is_named(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "best.pt", "w") as archive:
        archive.addfile(tarfile.TarInfo("sys_info"), io.BytesIO())
    assert refusal(tmp_path / "best.pt").startswith("is a tar archive; torch saved such checkpoints before")
