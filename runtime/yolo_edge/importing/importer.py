"""From a file of another tool to a bundle, on disk or in memory."""

from __future__ import annotations

import importlib.metadata
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from yolo_edge import _core
from yolo_edge.bundle import (
    GOLDEN,
    SCHEMA,
    Bundle,
    is_bundle,
    load_bundle,
    parse_bundle,
    sha256_of,
    write_manifest,
)
from yolo_edge.checking import Golden, check_bundle
from yolo_edge.detector import Detector
from yolo_edge.engines import engine_class
from yolo_edge.errors import BundleError, EngineError
from yolo_edge.importing.draft import Draft, draft_import
from yolo_edge.importing.options import ImportOptions
from yolo_edge.options import PAD_VALUE, DetectOptions, default_side
from yolo_edge.scene import draw_scene
from yolo_edge.staging import Staging, bundle_place

_GOLDEN_SEED = 20
_LOWEST_CONF = 0.01
_BUNDLE_FILES = {"model": "model.onnx", "param": "model.ncnn.param", "bin": "model.ncnn.bin"}


@dataclass(frozen=True)
class ImportReport:
    """What an import made."""

    bundle: Path
    form: str
    engine: str
    classes: int
    shapes: str
    boxes: int
    """Boxes that the golden picture gave."""
    notes: list[str]
    """What the user should know, one sentence each."""


def import_model(
    path: Path,
    options: ImportOptions | None = None,
    *,
    out: Path | None = None,
    force: bool = False,
    progress: Callable[[str], None] = lambda text: None,
) -> ImportReport:
    """Makes a bundle of an ONNX or ncnn file that another tool exported.

    Args:
        path: ``.onnx``, or ``.param`` with its ``.bin`` beside.
        options: What the file does not say.
        out: The bundle folder, ``NAME.edge``; a folder to put it in; None means the working folder.
        force: Replace a bundle that was made of something else.
        progress: Told of each step.

    Raises:
        ValueError: A bad argument.
        BundleError: The file cannot be imported; everything that is wrong or missing is listed at once.
        MissingExtraError: Its engine is not installed.
    """
    place = bundle_place(path, out)
    with Staging(place) as staging:
        progress(f"looking at {path}")
        draft = draft_import(path, options or ImportOptions())
        manifest, notes = _manifest(draft)
        _check_place(place, manifest, force)
        target = manifest["targets"][0]
        for role, source in draft.probe.files.items():
            name = _BUNDLE_FILES[role]
            shutil.copyfile(source, staging.folder / name)
            target["sha256"][name] = target["sha256"].pop(target["files"][role])
            target["files"][role] = name
        write_manifest(staging.folder, manifest)
        bundle = load_bundle(staging.folder)
        progress(f"computing golden results in {draft.probe.engine}")
        try:
            golden = _make_golden(bundle)
        except EngineError as error:
            raise BundleError(
                f"{path}: runs where it is, but not as a copy; where it keeps numbers in other files, save "
                f"the model as one file ({' '.join(str(error).split())[:200]})"
            ) from error
        golden.save(staging.folder / GOLDEN)
        result = check_bundle(bundle, draft.probe.engine)
        if not result.passed:
            raise BundleError(
                f"{path}: two runs of the file in {draft.probe.engine} differ by "
                f"{result.max_head_error:.2g}; it cannot be relied on"
            )
        staging.move_into_place()
    shapes = bundle.targets[0].input.shapes
    return ImportReport(
        bundle=place,
        form=draft.form.describe(),
        engine=draft.probe.engine,
        classes=len(bundle.names),
        shapes="any" if shapes == "dynamic" else ", ".join(f"{h}x{w}" for h, w in shapes),
        boxes=len(golden.confidence),
        notes=notes,
    )


def open_imported(path: Path, options: ImportOptions | None = None) -> tuple[Bundle, list[str]]:
    """Describes such a file as a bundle in memory; nothing is written or copied.

    Returns:
        The bundle, and what the user should know: its form, and whatever was assumed.

    Raises:
        BundleError: The file cannot be imported.
        MissingExtraError: Its engine is not installed.
    """
    draft = draft_import(path, options or ImportOptions())
    manifest, notes = _manifest(draft)
    bundle = parse_bundle(manifest, path.parent, imported_from=path)
    return bundle, [draft.form.describe(), *notes]


def _manifest(draft: Draft) -> tuple[dict[str, Any], list[str]]:
    """``bundle.json``, its target naming the files where they are, and what the user should know."""
    probe, form, facts, options = draft.probe, draft.form, draft.facts, draft.options
    size_hw, notes = draft.size_hw, draft.notes
    if size_hw is None:
        side = default_side(facts.stride)
        size_hw = side, side
        notes = [f"the file does not say its image size; {side} was taken (--imgsz sets it)", *notes]
    if form.rows:
        outputs = [{"name": form.rows.name, "layout": "n,no", "activation": form.rows.activation}]
    else:
        outputs = [
            {"name": head.name, "head": i, "layout": head.layout, "activation": head.activation}  # type: ignore[dict-item]
            for i, head in enumerate(form.heads)
        ]
    hashes = {file.name: sha256_of(file) for file in probe.files.values()}
    package = engine_class(probe.engine).package
    manifest = {
        "schema": SCHEMA,
        "requires": [],
        # The family does not change how a model runs, and these files do not tell.
        "model": {"family": "yolov5", "task": "detect", "names": list(facts.names)},
        "input": {
            "channels": options.channels,
            "mean": list(options.mean),
            "scale": list(options.scale),
            "pad_value": PAD_VALUE,
            "letterbox": "rect",
            "size_hw": list(size_hw),
            "stride": facts.stride,
        },
        "heads": [
            {"stride": head.stride, "anchors_px": [list(anchor) for anchor in head.anchors_px]}
            for head in facts.heads
        ],
        "targets": [
            {
                "engine": probe.engine,
                "weights": "fp32",
                "compute": list(engine_class(probe.engine).open_compute),
                "files": {role: file.name for role, file in probe.files.items()},
                "sha256": hashes,
                "input": {
                    "name": probe.input_name,
                    "dtype": "float32",
                    "layout": probe.input_layout,
                    "shapes": draft.shapes if draft.shapes == "dynamic" else list(map(list, draft.shapes)),
                },
                "outputs": [{**output, "dtype": "float32"} for output in outputs],
            }
        ],
        "provenance": {
            "source": "imported",
            "file": draft.path.name,
            "file_sha256": hashes[draft.path.name],
            "form": form.describe(),
            "versions": {"yolo_edge": _core.__version__, package: importlib.metadata.version(package)},
        },
        "verification": [],
    }
    return manifest, notes


def _make_golden(bundle: Bundle) -> Golden:
    """What the file itself makes of a small picture, not square, that has to be scaled and padded."""
    target = bundle.targets[0]
    fixed = target.input.shapes != "dynamic"
    side = 5 * bundle.input.stride
    size_hw = bundle.input.size_hw if fixed else (side, side)
    image = draw_scene((round(0.57 * 1.3 * size_hw[1]), round(1.3 * size_hw[1])), _GOLDEN_SEED)
    with Detector(bundle, engine=target.engine, imgsz=size_hw, letterbox="rect") as detector:
        geometry = detector.geometry(image)
        letterboxed = np.empty((3, *geometry.tensor_hw), np.uint8)
        letterbox = _core.Letterbox(tensor_channels=bundle.input.channels, pad_value=bundle.input.pad_value)
        letterbox.run(image, geometry, letterboxed)
        options = DetectOptions()
        conf = _threshold(detector.detect(image, conf=_LOWEST_CONF, iou=1.0).confidence.tolist())
        found = detector.detect(image, conf=conf)
        return Golden(
            image=image,
            size_hw=size_hw,
            letterboxed=letterboxed,
            heads=tuple(detector.compute_heads(detector.letterboxed(image))),
            conf=conf,
            iou=options.iou,
            xyxy=found.xyxy,
            confidence=found.confidence,
            class_id=found.class_id,
        )


def _threshold(confidence: list[float]) -> float:
    """Leaves up to 200 candidates, and lies far from the confidence of any: rounding moves none across."""
    if not confidence:
        return DetectOptions().conf
    ranked = confidence[:201] if len(confidence) > 200 else [*confidence, _LOWEST_CONF / 2]
    first = min(20, len(ranked) - 2)
    gaps = [ranked[i] / ranked[i + 1] for i in range(first, len(ranked) - 1)]
    at = first + int(np.argmax(gaps))
    return float(np.sqrt(ranked[at] * ranked[at + 1]))


def _check_place(place: Path, manifest: dict[str, Any], force: bool) -> None:
    """Replaces an import of the same file only."""
    if force or not is_bundle(place):
        return
    try:
        there = load_bundle(place)
    except BundleError as error:
        raise BundleError(f"cannot replace the bundle that is there: {error}; --force does") from None
    # What yolo-export made of the file has targets that an import would lose.
    if there.verification or there.provenance.get("file_sha256") != manifest["provenance"]["file_sha256"]:
        raise BundleError(
            f"{place} was made from something else; --force replaces it, --out writes elsewhere"
        )
