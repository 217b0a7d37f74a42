"""From a file of another tool to a bundle, on disk or in memory."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from yolo_edge import _core
from yolo_edge.bundle import GOLDEN, MANIFEST, SCHEMA, Bundle, is_bundle, load_bundle, parse_bundle, sha256_of
from yolo_edge.check import check_bundle
from yolo_edge.detector import Detector
from yolo_edge.engines import engine_class
from yolo_edge.errors import BundleError
from yolo_edge.golden import Golden
from yolo_edge.importing.forms import Form, recognise
from yolo_edge.importing.heads import ModelFacts, gather_facts
from yolo_edge.importing.options import ImportOptions
from yolo_edge.importing.probes import Outputs, Probe, SizeHW, open_probe
from yolo_edge.options import DetectOptions
from yolo_edge.scene import draw_scene
from yolo_edge.staging import Staging

DEFAULT_SIZE = 640
"""Network size of a file that takes any and names none: what YOLOv5's tools default to."""

_PAD_VALUE = 114
"""Grey level of the letterbox border in YOLOv5's and YOLOv5-Lite's tools."""

_PROBE_SIZES = ((128, 256), (256, 128))
"""Multiples of every usual stride; not square, so that height and width cannot be confused."""

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


@dataclass(frozen=True)
class _Draft:
    probe: Probe
    form: Form
    manifest: dict[str, Any]
    """Its targets name the files where they are; hashes are there."""
    notes: list[str]


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
    place = _bundle_place(path, out)
    with Staging(place) as staging:
        progress(f"looking at {path}")
        draft = _draft(path, options or ImportOptions())
        _check_place(place, draft, force)
        target = draft.manifest["targets"][0]
        for role, source in draft.probe.files.items():
            name = _BUNDLE_FILES[role]
            shutil.copyfile(source, staging.folder / name)
            target["sha256"][name] = target["sha256"].pop(target["files"][role])
            target["files"][role] = name
        _write_manifest(staging.folder, draft.manifest)
        bundle = load_bundle(staging.folder)
        progress(f"computing golden results in {draft.probe.engine}")
        golden = _make_golden(bundle)
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
        notes=draft.notes,
    )


def open_imported(path: Path, options: ImportOptions | None = None) -> tuple[Bundle, list[str]]:
    """Describes such a file as a bundle in memory; nothing is written or copied.

    Returns:
        The bundle, and what the user should know: its form, and whatever was assumed.

    Raises:
        BundleError: The file cannot be imported.
        MissingExtraError: Its engine is not installed.
    """
    draft = _draft(path, options or ImportOptions())
    bundle = parse_bundle(draft.manifest, path.parent, imported_from=path)
    return bundle, [draft.form.describe(), *draft.notes]


def _draft(path: Path, options: ImportOptions) -> _Draft:
    probe = open_probe(path)
    try:
        form, tensor_hw, shapes, notes = _try(probe, options)
    except BundleError as error:
        text = str(error)
        raise BundleError(text if text.startswith(str(path)) else f"{path}: {text}") from None
    faults: list[str] = []
    if probe.fixed_hw and options.size_hw and options.size_hw != probe.fixed_hw:
        faults.append(
            f"imgsz is {_text(options.size_hw)}, but the file takes only {_text(probe.fixed_hw)}; leave "
            "--imgsz out"
        )
    facts = gather_facts(form, tensor_hw, options, probe.metadata, faults)
    size_hw = tensor_hw
    if shapes == "dynamic":
        size_hw, more = _choose_size(options, probe, facts.stride, faults)
        notes += more
    elif any(side % facts.stride for side in tensor_hw):
        faults.append(f"its size {_text(tensor_hw)} is not a multiple of its largest stride {facts.stride}")
    if faults:
        lines = "".join(f"\n  - {fault}" for fault in faults)
        raise BundleError(f"{path}: recognised: {form.describe()}; but{lines}")
    if form.ignored:
        notes.append(f"outputs that are not needed were left out: {', '.join(form.ignored)}")
    notes += probe.metadata.notes
    return _Draft(probe, form, _manifest(path, probe, form, facts, options, size_hw, shapes), notes)


def _try(probe: Probe, options: ImportOptions) -> tuple[Form, SizeHW, Any, list[str]]:
    """Runs the probe pictures; returns the form, the size that showed it, the shapes and notes."""
    task = probe.metadata.task
    if not probe.fixed_reason:
        results = probe.run(_PROBE_SIZES)
        forms = {size: _recognised(outputs, size, task) for size, outputs in results.items()}
        if len(forms) == len(_PROBE_SIZES):
            first, second = forms.values()
            if isinstance(first, BundleError) and isinstance(second, BundleError):
                raise first
            if isinstance(first, Form) and isinstance(second, Form) and first.kind == second.kind:
                return first, _PROBE_SIZES[0], "dynamic", []
    reason = probe.fixed_reason or "it fails or gives other outputs at other sizes"
    size = probe.fixed_hw or options.size_hw or probe.metadata.size_hw
    if size is None:
        said = f" ({probe.failure})" if probe.failure else ""
        raise BundleError(
            f"it takes images of one size only ({reason}), and does not say which{said}; give it with "
            "--imgsz, for example --imgsz 640"
        )
    outputs = probe.run([size]).get(size)
    if outputs is None:
        raise BundleError(
            f"it does not run at {_text(size)}: {probe.failure or reason}; --imgsz names another size"
        )
    try:
        form = recognise(outputs, size, task)
    except BundleError as error:
        hint = "" if probe.fixed_hw else f" (if {_text(size)} is not its size, give it with --imgsz)"
        raise BundleError(f"{error}{hint}") from None
    return form, size, [list(size)], [f"it takes images of {_text(size)} only: {reason}"]


def _recognised(outputs: Outputs, size: SizeHW, task: str | None) -> Form | BundleError:
    try:
        return recognise(outputs, size, task)
    except BundleError as error:
        return error


def _choose_size(
    options: ImportOptions, probe: Probe, stride: int, faults: list[str]
) -> tuple[SizeHW, list[str]]:
    size = options.size_hw or probe.metadata.size_hw
    if size is None:
        side = -(-DEFAULT_SIZE // stride) * stride
        return (side, side), [f"the file does not say its image size; {side} was taken (--imgsz sets it)"]
    if any(side % stride for side in size):
        source = "--imgsz" if options.size_hw else "the size in its metadata,"
        faults.append(
            f"{source} {_text(size)} is not a multiple of the largest stride {stride}; set it with --imgsz"
        )
    return size, []


def _manifest(
    path: Path,
    probe: Probe,
    form: Form,
    facts: ModelFacts,
    options: ImportOptions,
    size_hw: SizeHW,
    shapes: Any,
) -> dict[str, Any]:
    if form.rows:
        outputs = [{"name": form.rows.name, "layout": "n,no", "activation": form.rows.activation}]
    else:
        outputs = [
            {"name": head.name, "head": i, "layout": head.layout, "activation": head.activation}  # type: ignore[dict-item]
            for i, head in enumerate(form.heads)
        ]
    hashes = {file.name: sha256_of(file) for file in probe.files.values()}
    package = engine_class(probe.engine).package
    return {
        "schema": SCHEMA,
        "requires": [],
        # The family does not change how a model runs, and these files do not tell.
        "model": {"family": "yolov5", "task": "detect", "names": list(facts.names)},
        "input": {
            "channels": options.channels,
            "mean": list(options.mean),
            "scale": list(options.scale),
            "pad_value": _PAD_VALUE,
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
                    "shapes": shapes,
                },
                "outputs": [{**output, "dtype": "float32"} for output in outputs],
            }
        ],
        "provenance": {
            "source": "imported",
            "file": path.name,
            "file_sha256": hashes[path.name],
            "form": form.describe(),
            "versions": {"yolo_edge": _core.__version__, package: importlib.metadata.version(package)},
        },
        "verification": [],
    }


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


def _bundle_place(path: Path, out: Path | None) -> Path:
    # ncnn's files are called model.ncnn.param.
    name = f"{path.stem.removesuffix('.ncnn')}.edge"
    if out is None:
        return Path(name)
    if out.suffix == ".edge":
        return out
    if out.is_dir():
        return out / name
    raise ValueError(f"out is {out}; it must be NAME.edge or an existing folder")


def _check_place(place: Path, draft: _Draft, force: bool) -> None:
    """Replaces a bundle of the same file only."""
    if force or not is_bundle(place):
        return
    try:
        made_of = load_bundle(place).provenance.get("file_sha256")
    except BundleError as error:
        raise BundleError(f"cannot replace the bundle that is there: {error}; --force does") from None
    if made_of != draft.manifest["provenance"]["file_sha256"]:
        raise BundleError(
            f"{place} was made from something else; --force replaces it, --out writes elsewhere"
        )


def _write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    text = json.dumps(manifest, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


def _text(size_hw: SizeHW) -> str:
    return f"{size_hw[0]}x{size_hw[1]}"
