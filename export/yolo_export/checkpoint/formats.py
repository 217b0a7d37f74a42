"""Which format a checkpoint file has, told from its first bytes."""

from __future__ import annotations

from pathlib import Path

from yolo_export.checkpoint.archive import Archive, digest
from yolo_export.checkpoint.legacy_archive import LEGACY_MAGIC, LegacyArchive
from yolo_export.checkpoint.safetensors_archive import SafetensorsArchive, looks_like_safetensors
from yolo_export.checkpoint.zip_archive import ZIP_MAGIC, ZipArchive
from yolo_export.errors import CheckpointError

__all__ = ["open_archive"]

_TAR_MAGIC = (257, b"ustar")
_HEAD_BYTES = 512
#: What is found under the name of a checkpoint now and then, by how it begins (white space and case apart).
_OTHER_FILES = {
    b"version https://git-lfs": "is a Git LFS pointer, not the file itself; fetch it with git lfs pull",
    b"<!doctype html": "is a web page, not the file itself; download it again",
    b"<html": "is a web page, not the file itself; download it again",
    b"7767517": "is an ncnn .param file; yolo-edge import takes it",
}


def open_archive(path: Path) -> Archive:
    """Open a checkpoint of whichever format.

    Raises:
        CheckpointError: It is missing, cut short, damaged or of another format.
    """
    file, sha256, size_bytes = digest(path)
    try:
        head = file.read(_HEAD_BYTES)
        file.seek(0)
        if not head:
            raise CheckpointError("is empty")
        if head.startswith(ZIP_MAGIC):
            return ZipArchive(file, sha256, size_bytes)
        if LEGACY_MAGIC in head[:64]:
            return LegacyArchive(file, sha256, size_bytes)
        if looks_like_safetensors(head):
            return SafetensorsArchive(file, sha256, size_bytes)
        if head[_TAR_MAGIC[0] :].startswith(_TAR_MAGIC[1]):
            raise CheckpointError(
                "is a tar archive; torch saved such checkpoints before there was a YOLOv5: if it was packed "
                "later, unpack it and give the .pt file inside"
            )
        if path.suffix.lower() in (".yaml", ".yml"):
            raise CheckpointError("is a YAML file; --cfg takes it")
        for start, what in _OTHER_FILES.items():
            if head.lstrip().lower().startswith(start):
                raise CheckpointError(what)
        raise CheckpointError(
            "is not a checkpoint: torch saves checkpoints as zip archives, and this is not one"
        )
    except BaseException:
        file.close()
        raise
