"""The export: checkpoint in, verified bundle out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from yolo_edge import __version__
from yolo_edge.bundle import GOLDEN, MANIFEST, SCHEMA, Bundle, ModelInput, is_bundle, load_bundle, sha256_of
from yolo_edge.errors import BundleError
from yolo_edge.options import validate_size
from yolo_export.checkpoint import Checkpoint, read_checkpoint
from yolo_export.errors import ExportError
from yolo_export.expected import make_golden
from yolo_export.staging import Staging
from yolo_export.targets import OnnxIntermediate, create_target
from yolo_export.verify import Verification, expected_results, verify_target

DEFAULT_SIZE = 640
"""Network size when neither the user nor the checkpoint names one: what YOLOv5's training defaults to."""

_PAD_VALUE = 114
"""Grey level of the letterbox border in YOLOv5's and YOLOv5-Lite's training, all releases."""


@dataclass(frozen=True)
class ExportReport:
    """What an export made."""

    bundle: Path
    verifications: list[Verification]
    sizes: dict[str, int]
    """Bytes of each target's files, by engine."""
    notes: list[str] = field(default_factory=list)
    """What the user should know, one sentence each."""


def export_bundle(
    source: Path | Checkpoint,
    targets: Sequence[str],
    *,
    out: Path | None = None,
    size_hw: tuple[int, int] | None = None,
    opset: int | None = None,
    force: bool = False,
    progress: Callable[[str], None] = lambda text: None,
) -> ExportReport:
    """Exports a checkpoint into a bundle and verifies every target in its real engine.

    A bundle of the same checkpoint that is already there keeps its other targets. Until everything has been
    verified the old bundle stays as it is.

    Args:
        source: ``best.pt``, or a checkpoint that has been read or made already.
        targets: Names of targets: ``onnx``, ``ncnn``.
        out: The bundle folder, ``NAME.edge``; a folder to put it in; None means the working folder.
        size_hw: Default network size of the bundle; None keeps that of the bundle being extended, else takes
            the size the checkpoint was trained at, else 640.
        opset: ONNX operator set; None means the target's default.
        force: Replace a bundle of another checkpoint, or a damaged one.
        progress: Told of each step.

    Raises:
        ValueError: A bad argument.
        CheckpointError: The checkpoint cannot be read.
        ConversionError: A converter failed.
        ExportError: The bundle cannot be written, or a target differs from the checkpoint.
    """
    converters = [create_target(name) for name in dict.fromkeys(targets)]
    if not converters:
        raise ValueError("no target was given")
    place = _bundle_place(source.path if isinstance(source, Checkpoint) else source, out)
    with Staging(place) as staging:
        if isinstance(source, Checkpoint):
            checkpoint = source
        else:
            progress(f"reading {source}")
            checkpoint = read_checkpoint(source)
        old = _bundle_to_extend(place, checkpoint, force)
        size_hw, notes = _choose_size(size_hw, checkpoint, old)
        model_input = _model_input(checkpoint, size_hw)

        intermediate = OnnxIntermediate(checkpoint, opset=opset)
        entries: list[dict[str, Any]] = []
        versions: dict[str, str] = {}
        for converter in converters:
            result = converter.convert(
                checkpoint,
                staging.folder,
                size_hw=size_hw,
                opset=opset,
                progress=progress,
                intermediate=intermediate,
            )
            hashes = {name: sha256_of(staging.folder / name) for name in result.entry["files"].values()}
            entries.append({**result.entry, "sha256": hashes})
            versions.update(result.versions)
        engines = [entry["engine"] for entry in entries]

        manifest = _manifest(checkpoint, model_input, versions)
        if old is not None:
            _keep_other_targets(old, staging.folder, engines, manifest)
        manifest["targets"] += entries
        progress("computing golden results")
        make_golden(checkpoint, model_input).save(staging.folder / GOLDEN)
        _write_manifest(staging.folder, manifest)

        expected = expected_results(checkpoint, model_input)
        verifications = []
        for engine in engines:
            progress(f"verifying in {engine}")
            verifications.append(verify_target(staging.folder, engine, expected))
        manifest["verification"] += [row.to_dict() for row in verifications]
        _write_manifest(staging.folder, manifest)
        load_bundle(staging.folder)
        sizes = {
            entry["engine"]: sum((staging.folder / name).stat().st_size for name in entry["files"].values())
            for entry in entries
        }
        staging.move_into_place()
    return ExportReport(place, verifications, sizes, [*checkpoint.notes, *notes])


def _bundle_place(checkpoint_path: Path, out: Path | None) -> Path:
    name = f"{checkpoint_path.stem}.edge"
    if out is None:
        return Path(name)
    if out.suffix == ".edge":
        return out
    if out.is_dir():
        return out / name
    raise ValueError(f"out is {out}; it must be NAME.edge or an existing folder")


def _bundle_to_extend(place: Path, checkpoint: Checkpoint, force: bool) -> Bundle | None:
    """The bundle already there, if its other targets are to be kept."""
    if not is_bundle(place):
        return None
    try:
        old = load_bundle(place)
        for target in old.targets:
            old.open_files(target)
    except BundleError as error:
        if force:
            return None
        raise ExportError(f"cannot extend the bundle that is there: {error}; --force replaces it") from None
    made_of = old.provenance.get("checkpoint_sha256")
    if made_of == checkpoint.sha256:
        return old
    if force:
        return None
    raise ExportError(
        f"{place} was made from another checkpoint (sha256 {str(made_of)[:12]}…, this one is "
        f"{checkpoint.sha256[:12]}…); --force replaces it, --out writes elsewhere"
    )


def _choose_size(
    given: tuple[int, int] | None, checkpoint: Checkpoint, old: Bundle | None
) -> tuple[tuple[int, int], list[str]]:
    stride = max(checkpoint.strides)
    if given is not None:
        validate_size(given, stride)
        return given, []
    if old is not None:
        return old.input.size_hw, []
    trained = checkpoint.training.get("imgsz")
    if isinstance(trained, int) and trained >= stride and trained % stride == 0:
        return (trained, trained), []
    note = f"the checkpoint does not say its image size; {DEFAULT_SIZE} was taken (--imgsz sets it)"
    return (DEFAULT_SIZE, DEFAULT_SIZE), [note]


def _model_input(checkpoint: Checkpoint, size_hw: tuple[int, int]) -> ModelInput:
    scale = 1 / 255
    return ModelInput(
        channels="rgb",
        mean=(0.0, 0.0, 0.0),
        scale=(scale, scale, scale),
        pad_value=_PAD_VALUE,
        letterbox="rect",
        size_hw=size_hw,
        stride=max(checkpoint.strides),
    )


def _manifest(checkpoint: Checkpoint, model_input: ModelInput, versions: dict[str, str]) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "requires": [],
        "model": {"family": checkpoint.family, "task": "detect", "names": checkpoint.names},
        "input": {
            "channels": model_input.channels,
            "mean": list(model_input.mean),
            "scale": list(model_input.scale),
            "pad_value": model_input.pad_value,
            "letterbox": model_input.letterbox,
            "size_hw": list(model_input.size_hw),
            "stride": model_input.stride,
        },
        "heads": [
            {"stride": stride, "anchors_px": [list(anchor) for anchor in anchors]}
            for stride, anchors in zip(checkpoint.strides, checkpoint.anchors_px)
        ],
        "targets": [],
        "provenance": {
            "checkpoint": checkpoint.path.name,
            "checkpoint_sha256": checkpoint.sha256,
            "training": dict(checkpoint.training),
            "versions": {"yolo_edge": __version__, **versions},
        },
        "verification": [],
    }


def _keep_other_targets(old: Bundle, folder: Path, replaced: list[str], manifest: dict[str, Any]) -> None:
    """Carries the targets that are not exported anew over from the old bundle."""
    raw = json.loads((old.path / MANIFEST).read_text(encoding="utf-8"))
    for entry in raw["targets"]:
        if entry["engine"] not in replaced:
            for name in entry["files"].values():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(old.path / name, folder / name)
            manifest["targets"].append(entry)
    manifest["verification"] += [row for row in raw.get("verification", []) if row["engine"] not in replaced]
    versions = manifest["provenance"]["versions"]
    for name, version in raw["provenance"].get("versions", {}).items():
        versions.setdefault(name, version)


def _write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    text = json.dumps(manifest, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")
