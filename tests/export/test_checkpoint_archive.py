from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest
import torch
from checkpoints import write_checkpoint, write_pickle, yolov5

from yolo_export.checkpoint import read_checkpoint
from yolo_export.errors import CheckpointError


def refusal(path: Path) -> str:
    """What the reader says against a file, after its path."""
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    return message[len(f"{path}: ") :]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("good") / "best.pt", yolov5())


def test_missing_file(tmp_path: Path) -> None:
    assert refusal(tmp_path / "best.pt") == "cannot be opened: No such file or directory"


def test_folder(tmp_path: Path) -> None:
    assert refusal(tmp_path) == "cannot be opened: Is a directory"


def test_files_without_an_end(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "best.pt")
    assert refusal(tmp_path / "best.pt") == "is not a regular file"
    assert refusal(Path("/dev/zero")) == "is not a regular file"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(
            bytes(range(1, 256)) * 40,
            "is not a checkpoint: torch saves checkpoints as zip archives, and this is not one",
            id="random bytes",
        ),
        pytest.param(
            b"version https://git-lfs.github.com/spec/v1\n",
            "is a Git LFS pointer, not the file itself; fetch it with git lfs pull",
            id="git lfs pointer",
        ),
    ],
)
def test_other_files(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "best.pt").write_bytes(content)
    assert refusal(tmp_path / "best.pt") == message


@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.9, 0.999])
def test_truncated(tmp_path: Path, good: Path, share: float) -> None:
    content = good.read_bytes()
    (tmp_path / "best.pt").write_bytes(content[: int(len(content) * share)])
    message = refusal(tmp_path / "best.pt")
    assert message.startswith(f"is cut short or damaged ({int(len(content) * share)} bytes, ")
    assert message.endswith("; copy it again")


@pytest.mark.parametrize("place", [0.2, 0.5, 0.8])
def test_flipped_bytes(tmp_path: Path, good: Path, place: float) -> None:
    content = bytearray(good.read_bytes())
    start = int(len(content) * place)
    for index in range(start, start + 512):
        content[index] ^= 0xFF
    (tmp_path / "best.pt").write_bytes(content)
    assert "is damaged" in refusal(tmp_path / "best.pt") or "copy it again" in refusal(tmp_path / "best.pt")


def test_legacy_format_without_a_network(tmp_path: Path) -> None:
    torch.save({"model": None}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    assert refusal(tmp_path / "old.pt") == "has neither 'ema' nor 'model'; it has: 'model'"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchscript(tmp_path: Path) -> None:
    torch.jit.script(torch.nn.Identity()).save(str(tmp_path / "model.pt"))
    assert refusal(tmp_path / "model.pt") == (
        "is a TorchScript file; give the checkpoint that training saved (best.pt)"
    )


def test_archive_without_pickle(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("photo.jpg", b"x")
    assert (
        refusal(tmp_path / "photos.zip") == "is not a checkpoint: the archive has 0 entries data.pkl, not one"
    )


def test_archive_with_two_pickles(tmp_path: Path) -> None:
    path = write_pickle(tmp_path / "two.pt", b"\x80\x02}.", {"more/data.pkl": b"\x80\x02}."})
    assert refusal(path) == "is not a checkpoint: the archive has 2 entries data.pkl, not one"


def test_compressed_entries(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "best.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\0" * 100_000_000)
    assert refusal(tmp_path / "best.pt") == (
        "has the compressed entry archive/data.pkl; torch stores its entries: "
        "unpack the archive and pack it again without compression (zip -0)"
    )


def test_entry_that_says_it_is_longer_than_the_file(tmp_path: Path) -> None:
    path = write_pickle(tmp_path / "best.pt", b"\x80\x02}.", {"data/0": b"12345678"})
    content = path.read_bytes()
    size = (8).to_bytes(4, "little")
    path.write_bytes(content.replace(size + size, (1 << 30).to_bytes(4, "little") * 2))
    assert refusal(path) == "is damaged: its entries say that they are longer than the file"


def test_big_endian(tmp_path: Path) -> None:
    path = write_pickle(tmp_path / "best.pt", b"\x80\x02}.", {"byteorder": b"big"})
    assert refusal(path) == "has byte order b'big'; only little is supported"


def storage_id(kind: str = "FloatStorage", key: str = "0", length: int = 4) -> bytes:
    """A pickle whose only content is a reference to a storage."""
    return (
        b"\x80\x02(X\x07\x00\x00\x00storage"
        + f"ctorch\n{kind}\n".encode()
        + b"X"
        + len(key).to_bytes(4, "little")
        + key.encode()
        + b"X\x03\x00\x00\x00cpuJ"
        + length.to_bytes(4, "little", signed=True)
        + b"tQ"
    )


def tensor(offset: int, size: tuple[int, ...], stride: tuple[int, ...], length: int = 4) -> bytes:
    """A pickle of one tensor."""

    def numbers(values: tuple[int, ...]) -> bytes:
        return b"(" + b"".join(b"J" + value.to_bytes(4, "little", signed=True) for value in values) + b"t"

    return (
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n("
        + storage_id(length=length)[2:]
        + b"J"
        + offset.to_bytes(4, "little", signed=True)
        + numbers(size)
        + numbers(stride)
        + b"\x89ccollections\nOrderedDict\n)RtR."
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(
            storage_id(length=5) + b".",
            "is damaged: storage 0 has 16 bytes where its tensors need 20",
            id="storage too small",
        ),
        pytest.param(
            storage_id(key="7") + b".", "lacks its storage 7; copy the file again", id="storage missing"
        ),
        pytest.param(
            storage_id(key="../../x") + b".", "lacks its storage ../../x; copy the file again", id="path"
        ),
        pytest.param(
            storage_id(length=-1) + b".",
            "has a damaged pickle: a storage without a key or length",
            id="negative length",
        ),
        pytest.param(
            tensor(1, (2, 2), (2, 1)),
            "holds a tensor of size (2, 2), stride (2, 1), offset 1 "
            "that does not fit its storage of 4 elements",
            id="past the end",
        ),
        pytest.param(
            tensor(0, (1000, 1000), (0, 0)),
            "holds a tensor of size (1000, 1000), stride (0, 0), offset 0 "
            "that does not fit its storage of 4 elements",
            id="one number for a million",
        ),
        pytest.param(
            tensor(3, (2,), (-1,)),
            "holds a tensor of size (2,), stride (-1,), offset 3",
            id="negative stride",
        ),
        pytest.param(
            tensor(-1, (2,), (1,)), "holds a tensor of size (2,), stride (1,), offset -1", id="before"
        ),
        pytest.param(
            tensor(0, (2, 2), (1,)), "holds a tensor of size (2, 2), stride (1,), offset 0", id="ranks"
        ),
        pytest.param(
            tensor(0, (2,), (1,)), "holds a single tensor; expected a dict with 'model' or a model", id="fits"
        ),
    ],
)
def test_numbers_lie_inside_the_file(tmp_path: Path, data: bytes, message: str) -> None:
    assert refusal(write_pickle(tmp_path / "best.pt", data, {"data/0": bytes(16)})) == message
