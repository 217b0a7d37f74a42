"""Nothing that a checkpoint says is ever run, and no file makes the reader crash, hang or fill the memory."""

from __future__ import annotations

import builtins
import functools
import os
import pickle
import random
import subprocess
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints import write_checkpoint, write_pickle, yolov5
from torch import nn

from yolo_export.checkpoint import read_checkpoint
from yolo_export.errors import CheckpointError


class Call:
    """Pickles as a call of any function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> Any:
        return self._call


def command(canary: Path) -> str:
    return f"touch {canary}"


ATTACKS = [
    pytest.param(lambda canary: Call(os.system, command(canary)), "posix.system", id="os system"),
    pytest.param(lambda canary: Call(eval, f"open({str(canary)!r}, 'w')"), "builtins.eval", id="eval"),
    pytest.param(lambda canary: Call(exec, f"open({str(canary)!r}, 'w')"), "builtins.exec", id="exec"),
    pytest.param(lambda canary: Call(open, str(canary), "w"), "io.open", id="open"),
    pytest.param(lambda canary: Call(getattr, "text", "upper"), "builtins.getattr", id="getattr"),
    pytest.param(
        lambda canary: Call(functools.partial, os.system, command(canary)), "functools.partial", id="partial"
    ),
    pytest.param(
        lambda canary: Call(subprocess.Popen, ["touch", str(canary)]), "subprocess.Popen", id="popen"
    ),
    pytest.param(lambda canary: Call(builtins.__import__, "antigravity"), "builtins.__import__", id="import"),
    pytest.param(lambda canary: Call(torch.load, str(canary)), "torch.serialization.load", id="torch load"),
    pytest.param(lambda canary: Call(torch.hub.load, str(canary)), "torch.hub.load", id="torch hub"),
]


@pytest.mark.parametrize("protocol", range(2, 6))
@pytest.mark.parametrize(("attack", "name"), ATTACKS)
def test_foreign_names_end_the_reading(tmp_path: Path, attack: Any, name: str, protocol: int) -> None:
    canary = tmp_path / "canary"
    data = pickle.dumps({"model": attack(canary)}, protocol=protocol, fix_imports=False)
    path = write_pickle(tmp_path / "bad.pt", data)

    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(path)

    assert str(caught.value) == (
        f"{path}: wants {name}, which is not on the list of what a checkpoint may contain; "
        "nothing was imported or run"
    )
    assert not canary.exists()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"cposix\nsystem\n(S'touch CANARY'\ntR.", id="protocol 0 call"),
        pytest.param(b"(S'touch CANARY'\niposix\nsystem\n.", id="inst"),
        pytest.param(b"(cposix\nsystem\nS'touch CANARY'\no.", id="obj"),
        pytest.param(b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x0ctouch CANARY\x85R.", id="stack global"),
    ],
)
def test_every_way_to_name_a_function_is_closed(
    tmp_path: Path, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = write_pickle(tmp_path / "bad.pt", data)
    with pytest.raises(CheckpointError, match=r"wants posix\.system, which is not on the list"):
        read_checkpoint(path)
    assert not (tmp_path / "CANARY").exists()


def test_attack_beside_a_good_network(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    outer = {"optimizer": Call(os.system, command(canary))}
    path = write_checkpoint(tmp_path / "bad.pt", yolov5(), outer=outer)
    with pytest.raises(CheckpointError, match="wants posix"):
        read_checkpoint(path)
    assert not canary.exists()


def test_attack_inside_a_hook(tmp_path: Path) -> None:
    canary = tmp_path / "canary"

    def plant(model: Any) -> None:
        model.model[0]._forward_hooks = OrderedDict({0: Call(os.system, command(canary))})

    path = write_checkpoint(tmp_path / "bad.pt", yolov5(), edit=plant)
    with pytest.raises(CheckpointError, match="wants posix"):
        read_checkpoint(path)
    assert not canary.exists()


def test_unknown_block_is_named_with_the_known_ones(tmp_path: Path) -> None:
    path = write_checkpoint(
        tmp_path / "new.pt", yolov5(), rename={"models.common.SPPF": "models.common.SPPELAN"}
    )
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: holds the unknown block models.common.SPPELAN; known blocks: ")
    known = message.partition("known blocks: ")[2].split(", ")
    assert known == sorted(known)
    assert {"models.common.C3", "models.common.Shuffle_Block", "models.yolo.Detect"} <= set(known)


@pytest.mark.parametrize(
    ("original", "other", "task"),
    [
        pytest.param(
            "models.yolo.Model", "models.yolo.SegmentationModel", "segmentation", id="segmentation model"
        ),
        pytest.param("models.yolo.Detect", "models.yolo.Segment", "segmentation", id="segmentation head"),
        pytest.param(
            "models.yolo.Model", "models.yolo.ClassificationModel", "classification", id="classification"
        ),
    ],
)
def test_other_tasks_are_named(tmp_path: Path, original: str, other: str, task: str) -> None:
    path = write_checkpoint(tmp_path / "seg.pt", yolov5(), rename={original: other})
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(path)
    assert str(caught.value) == (
        f"{path}: is a {task} checkpoint (it holds {other}); only detection can be exported"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param({"model": None}, "has neither 'ema' nor 'model'; it has: 'model'", id="no network"),
        pytest.param({}, "has neither 'ema' nor 'model'; it has: nothing", id="empty dict"),
        pytest.param([1, 2], "holds a list; expected a dict with 'model' or a model", id="list"),
        pytest.param(
            {"model": OrderedDict(a=1)}, "has weights without a network (a dict under 'model')", id="state"
        ),
        pytest.param({"model": nn.Sequential()}, "where a network is expected", id="other module"),
    ],
)
def test_other_content(tmp_path: Path, content: Any, message: str) -> None:
    torch.save(content, tmp_path / "other.pt")
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(tmp_path / "other.pt")
    assert message in str(caught.value)


def nested(depth: int) -> bytes:
    return b"\x80\x02" + b"]" * depth + b"a" * (depth - 1) + b"."


def doubling(rounds: int) -> bytes:
    return b"\x80\x02]q\x00" + b"".join(b"(h%ch%ct\x94q%c" % (n, n, n + 1) for n in range(rounds)) + b"."


def repeated_set(size: int, times: int) -> bytes:
    items = b"".join(b"J" + n.to_bytes(4, "little") for n in range(size))
    return b"\x80\x02(" + items + b"lq\x00(" + b"c__builtin__\nset\nh\x00\x85R" * times + b"t."


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(nested(500_000), id="deep nesting"),
        pytest.param(doubling(100), id="doubling"),
        pytest.param(repeated_set(20_000, 20_000), id="one long list copied often"),
        pytest.param(b"\x80\x02" + b"2" * 10 + b".", id="stack underflow"),
        pytest.param(b"\x80\x02}" + b")\x85" * 200_000 + b"K\x01s.", id="deep key"),
        pytest.param(b"\x80\x02N" + b"2" * 1_000_000 + b".", id="many copies"),
        pytest.param(b"\x80\x02X\xff\xff\xff\x7fabc.", id="long text that is not there"),
        pytest.param(b"\x80\x02\x8b\xff\xff\xff\x7f.", id="long number that is not there"),
        pytest.param(
            b"\x80\x02\x8b" + (1 << 20).to_bytes(4, "little") + b"\x01" * (1 << 20) + b".", id="long number"
        ),
        pytest.param(b"\x80\x02h\x05.", id="unknown memo"),
        pytest.param(b"\x80\x02\x82\x05.", id="extension"),
        pytest.param(b"\x80\x02", id="no end"),
        pytest.param(b"", id="no pickle"),
    ],
)
def test_bombs_fail_fast_in_little_memory(tmp_path: Path, data: bytes) -> None:
    path = write_pickle(tmp_path / "bomb.pt", data)
    start = time.monotonic()
    with pytest.raises(CheckpointError):
        read_checkpoint(path)
    assert time.monotonic() - start < 20


def test_mutated_checkpoints_never_crash(tmp_path: Path) -> None:
    """Seeded damage to the pickle: a clear error or a network, nothing else."""
    good = write_checkpoint(tmp_path / "good.pt", yolov5())
    with torch.serialization._open_zipfile_reader(str(good)) as reader:
        data = bytes(reader.get_record("data.pkl"))
        keys = [name for name in reader.get_all_records() if name.startswith("data/")]
        entries = {name: bytes(reader.get_record(name)) for name in keys}
    generator = random.Random(0)
    refused = 0
    for _ in range(60):
        damaged = bytearray(data)
        for _ in range(generator.randint(1, 4)):
            damaged[generator.randrange(len(data))] = generator.randrange(256)
        path = write_pickle(tmp_path / "damaged.pt", bytes(damaged), entries)
        try:
            read_checkpoint(path)
        except CheckpointError:
            refused += 1
    assert refused > 10
