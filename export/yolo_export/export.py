"""The export: a checkpoint, or another tool's ONNX file, in; verified bundle out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from yolo_edge.bundle import (
    GOLDEN,
    MANIFEST,
    Bundle,
    ModelInput,
    is_bundle,
    load_bundle,
    parse_bundle,
    sha256_of,
    write_manifest,
)
from yolo_edge.bundle import Target as BundleTarget
from yolo_edge.errors import BundleError
from yolo_edge.importing import ImportOptions
from yolo_edge.staging import Staging, bundle_place
from yolo_export.automatic import choose_float_layers
from yolo_export.errors import ExportError, GateError
from yolo_export.expected import make_golden
from yolo_export.gate import Gate
from yolo_export.gate_options import CalibrationOptions, GateOptions
from yolo_export.manifest import make_manifest
from yolo_export.opening import choose_size, draw_calibration, open_source
from yolo_export.quantize import AutomaticResult, Calibration
from yolo_export.source import Source
from yolo_export.targets import Quantization, Target, create_target
from yolo_export.trial import Trial
from yolo_export.verify import Verification, expected_results, verify_target
from yolo_export.yardstick import Unlabelled, open_yardstick

_FEWEST_HELD_OUT = 16
"""Images that were not drawn for calibration serve the gate if there are as many."""
_MOST_HELD_OUT = 64


@dataclass(frozen=True)
class ExportReport:
    """What an export made."""

    bundle: Path
    verifications: list[Verification]
    sizes: dict[tuple[str, str], int]
    """Bytes of each target's files, by engine and weights."""
    notes: list[str] = field(default_factory=list)
    """What the user should know, one sentence each."""


def export_bundle(
    source: Path | Source,
    targets: Sequence[str],
    *,
    precisions: Sequence[str] = ("fp32",),
    out: Path | None = None,
    size_hw: tuple[int, int] | None = None,
    opset: int | None = None,
    import_options: ImportOptions | None = None,
    calibration: CalibrationOptions | None = None,
    gate: GateOptions | None = None,
    force: bool = False,
    progress: Callable[[str], None] = lambda text: None,
) -> ExportReport:
    """Exports a checkpoint, or another tool's ONNX file, into a bundle; verifies every target in its engine.

    A bundle of the same file that is already there keeps its other targets. Until everything has been
    verified the old bundle stays as it is.

    Args:
        source: ``best.pt`` or ``.onnx``, or a checkpoint that has been read or made already.
        targets: Names of targets: ``onnx``, ``ncnn``.
        precisions: Number types of the weights; each target is made once with each.
        out: The bundle folder, ``NAME.edge``; a folder to put it in; None means the working folder.
        size_hw: Default network size of the bundle; None keeps that of the bundle being extended, else takes
            the size that the file names, else 640.
        opset: ONNX operator set; None means the target's default.
        import_options: What an ONNX file does not say.
        calibration: Images that int8 weights are made with; needed for these.
        gate: What weights other than float32 have to pass before anything is replaced; 8-bit weights have to
            pass one in any case.
        force: Replace a bundle of another model, or a damaged one, and write what does not pass the gate.
        progress: Told of each step.

    Raises:
        ValueError: A bad argument.
        CheckpointError: The checkpoint cannot be read.
        BundleError: The ONNX file cannot be imported, or the bundle cannot be written.
        ConversionError: A converter failed.
        GateError: A precision does not pass the gate.
        DatasetError: The gate's images cannot be read.
        ExportError: The bundle there cannot be extended, the ONNX file has no raw heads to be found, or a
            target differs from its source.
    """
    converters = [create_target(name) for name in dict.fromkeys(targets)]
    if not converters:
        raise ValueError("no target was given")
    wanted = [(converter, weights) for converter in converters for weights in dict.fromkeys(precisions)]
    if not wanted:
        raise ValueError("no precision was given")
    for converter, weights in wanted:
        converter.check_weights(weights)
    if "int8" in precisions and calibration is None:
        raise ValueError("int8 weights need calibration images, and none were given")
    if "int8-weights" in precisions and (gate is None or gate.data is None):
        raise ValueError("int8-weights need images for the gate, and none were given")
    place = bundle_place(source if isinstance(source, Path) else source.path, out)
    with Staging(place) as staging:
        if isinstance(source, Path):
            source = open_source(source, size_hw, import_options, progress)
        old = _bundle_to_extend(place, source, force)
        size_hw, notes = choose_size(size_hw, source, old)
        model_input = source.model_input(size_hw)

        intermediate = source.intermediate(opset)
        entries: list[dict[str, Any]] = []
        versions: dict[str, str] = {}
        quantization, judge = _quantization_and_gate(
            calibration if "int8" in precisions else None, gate or GateOptions(), force, source, model_input
        )

        float_layers: dict[str, tuple[str, ...]] = {}
        if calibration is not None and quantization is not None and judge is not None:
            for converter, weights in wanted:
                if weights != "int8":
                    continue
                float_layers[converter.engine] = quantization.keep_float
                if calibration.float_layers == "auto":
                    with TemporaryDirectory() as workshop:
                        trial = Trial(converter, source, model_input, intermediate, opset, Path(workshop))
                        chosen = choose_float_layers(trial, quantization, judge, progress)
                    float_layers[converter.engine] = chosen.kept
                    if not chosen.passed and not force:
                        raise GateError(f"{_what_was_chosen(converter.engine, chosen)}; nothing was replaced")
                    notes.append(_what_was_chosen(converter.engine, chosen))

        def convert(converter: Target, weights: str) -> dict[str, Any]:
            how = quantization if weights == "int8" else None
            if how is not None:
                how = replace(how, keep_float=float_layers[converter.engine])
            result = converter.convert(
                source,
                staging.folder,
                size_hw=size_hw,
                weights=weights,
                quantization=how,
                opset=opset,
                progress=progress,
                intermediate=intermediate,
            )
            versions.update(result.versions)
            hashes = {name: sha256_of(staging.folder / name) for name in result.entry["files"].values()}
            return {**result.entry, "sha256": hashes}

        for converter, weights in wanted:
            entries.append(convert(converter, weights))
        kinds = [_kind(entry) for entry in entries]
        scratch = [
            convert(converter, "fp32") for converter in _lacking_fp32(wanted, kinds, old) if judge is not None
        ]

        manifest = make_manifest(source, model_input, versions)
        if old is not None:
            _keep_other_targets(old, staging.folder, kinds, manifest)
        manifest["targets"] += entries
        progress("computing golden results")
        make_golden(source, model_input).save(staging.folder / GOLDEN)
        write_manifest(staging.folder, manifest)

        expected = expected_results(source, model_input)
        verifications = []
        for engine, weights in kinds:
            progress(f"verifying {engine} {weights}")
            row = verify_target(staging.folder, engine, weights, expected, source.kind)
            in_float = float_layers[engine] if weights == "int8" else ()
            verifications.append(replace(row, float_layers=in_float))
        if judge is not None:
            verifications = _judged(staging.folder, judge, manifest, scratch, verifications, progress)
        manifest["verification"] += [row.to_dict() for row in verifications]
        write_manifest(staging.folder, manifest)
        load_bundle(staging.folder)
        sizes = {
            _kind(entry): sum((staging.folder / name).stat().st_size for name in entry["files"].values())
            for entry in entries
        }
        staging.move_into_place()
    return ExportReport(place, verifications, sizes, [*source.notes, *notes])


def _quantization_and_gate(
    calibration: CalibrationOptions | None,
    gate: GateOptions,
    force: bool,
    source: Source,
    model_input: ModelInput,
) -> tuple[Quantization | None, Gate | None]:
    """How int8 is made, and what judges; without other images, calibration images that are held out do."""
    yardstick = open_yardstick(gate.data, source, model_input) if gate.data is not None else None
    quantization = None
    if calibration is not None:
        drawn, method = draw_calibration(calibration, source, model_input)
        if yardstick is None:
            drawn, held_out = _held_out(drawn)
            yardstick = Unlabelled(held_out, source, model_input)
        named = () if calibration.float_layers == "auto" else calibration.float_layers
        quantization = Quantization(drawn, method, named)
    return quantization, Gate(yardstick, gate.max_drop, force) if yardstick is not None else None


def _what_was_chosen(engine: str, chosen: AutomaticResult) -> str:
    """The automatic mode's choice, for the user."""
    tries = ", ".join(
        f"{count} {'passed' if passed else 'did not'}" for count, passed in chosen.tried.items()
    )
    if not chosen.passed:
        return f"{engine}: no choice of layers in float passes the gate (tried: {tries})"
    names = f": {', '.join(chosen.kept)}" if chosen.kept else ""
    return f"{engine}: {len(chosen.kept)} layers stay in float (tried: {tries}){names}"


def _held_out(calibration: Calibration) -> tuple[Calibration, tuple[Path, ...]]:
    """Images to calibrate with, and others of the same data to judge by: what was not drawn, or a quarter.

    Raises:
        GateError: There are too few images for both.
    """
    if len(calibration.rest) >= _FEWEST_HELD_OUT:
        return calibration, calibration.rest[:_MOST_HELD_OUT]
    count = len(calibration) // 4
    if count < 1:
        raise GateError(
            f"{len(calibration)} calibration images are too few to hold some out for the gate; give more, or "
            "labelled images with --data"
        )
    kept, judged = calibration.hold_out(count)
    return kept, judged.images


def _lacking_fp32(
    wanted: list[tuple[Target, str]], kinds: list[tuple[str, str]], old: Bundle | None
) -> list[Target]:
    """Targets of weights that are to be judged, but of whose engine there are no float32 weights."""
    held = {*kinds, *(_kind_of(target) for target in (old.targets if old is not None else ()))}
    lacking = {
        converter.engine: converter
        for converter, weights in wanted
        if weights != "fp32" and (converter.engine, "fp32") not in held
    }
    return list(lacking.values())


def _judged(
    folder: Path,
    judge: Gate,
    manifest: dict[str, Any],
    scratch: list[dict[str, Any]],
    verifications: list[Verification],
    progress: Callable[[str], None],
) -> list[Verification]:
    """The verifications with what the gate measured.

    Args:
        folder: The new bundle.
        judge: The gate.
        manifest: That of the folder.
        scratch: Targets whose files are in the folder for the gate alone; they are removed.
        verifications: Of the new targets.
        progress: Told of each step.

    Raises:
        GateError: Something does not pass.
    """
    bundle = parse_bundle({**manifest, "targets": [*manifest["targets"], *scratch]}, folder)
    targets = {_kind_of(target): target for target in bundle.targets}
    judged = []
    for row in verifications:
        if row.weights != "fp32":
            target, exact = (bundle.only(targets[row.engine, each]) for each in (row.weights, "fp32"))
            row = replace(row, gate=judge.measure(target, exact, row.compute, progress))
        judged.append(row)
    judge.decide([row.gate for row in judged if row.gate is not None])
    for entry in scratch:
        for name in entry["files"].values():
            (folder / name).unlink()
    return [replace(row, forced=judge.force) for row in judged]


def _kind_of(target: BundleTarget) -> tuple[str, str]:
    return target.engine, target.weights


def _kind(entry: dict[str, Any]) -> tuple[str, str]:
    """What tells the targets of a bundle apart, and the rows of its verification."""
    return str(entry.get("engine")), str(entry.get("weights"))


def _bundle_to_extend(place: Path, source: Source, force: bool) -> Bundle | None:
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
    difference = _difference(old, source)
    if difference and not force:
        raise ExportError(f"{place} {difference}; --force replaces it, --out writes elsewhere")
    return None if difference else old


def _difference(old: Bundle, source: Source) -> str:
    """Why a bundle's targets cannot stand beside new ones; empty when they can."""
    key = next(key for key in source.provenance if key.endswith("_sha256"))
    made_of = old.provenance.get(key)
    if made_of != source.sha256:
        return (
            f"was made from another {source.kind} (sha256 {str(made_of)[:12]}…, this one is "
            f"{source.sha256[:12]}…)"
        )
    outputs = [output for target in old.targets for output in target.outputs]
    if any((output.layout, output.activation) != ("c,h,w", "none") for output in outputs):
        return "was made with yolo-edge import, which leaves the outputs as they are"
    if [head.stride for head in old.heads] != list(source.strides):
        return "has its heads in another order"
    return ""


def _keep_other_targets(
    old: Bundle, folder: Path, replaced: list[tuple[str, str]], manifest: dict[str, Any]
) -> None:
    """Carries the targets that are not exported anew over from the old bundle."""
    raw = json.loads((old.path / MANIFEST).read_text(encoding="utf-8"))
    for entry in raw["targets"]:
        if _kind(entry) not in replaced:
            for name in entry["files"].values():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(old.path / name, folder / name)
            manifest["targets"].append(entry)
    manifest["verification"] += [row for row in raw.get("verification", []) if _kind(row) not in replaced]
    versions = manifest["provenance"]["versions"]
    for name, version in raw["provenance"].get("versions", {}).items():
        versions.setdefault(name, version)
