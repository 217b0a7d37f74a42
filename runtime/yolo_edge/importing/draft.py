"""What a file of another tool is, found by trying it, with what its metadata and the user say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from yolo_edge.bundle import Shapes
from yolo_edge.errors import BundleError
from yolo_edge.importing.forms import Form, recognise
from yolo_edge.importing.heads import ModelFacts, gather_facts
from yolo_edge.importing.options import ImportOptions
from yolo_edge.importing.pictures import PROBE_SIZES
from yolo_edge.importing.probes import Outputs, Probe, SizeHW, open_probe

_LARGEST_SIDE = 8192
"""Of a network that takes one size only, in px; its pictures take memory before anything else does."""


@dataclass(frozen=True)
class Draft:
    """A file that can be imported."""

    path: Path
    options: ImportOptions
    probe: Probe
    form: Form
    facts: ModelFacts
    size_hw: SizeHW | None
    """Its default network size, or its only one; None when nobody says."""
    shapes: Shapes
    notes: list[str]
    """What the user should know, one sentence each."""


def draft_import(path: Path, options: ImportOptions) -> Draft:
    """Tries a file and puts together what it and the user say.

    Raises:
        BundleError: The file cannot be imported; everything that is wrong or missing is listed at once.
        MissingExtraError: Its engine is not installed.
    """
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
    size_hw: SizeHW | None = tensor_hw
    if shapes == "dynamic":
        size_hw = _said_size(options, probe, facts.stride, faults)
    elif any(side % facts.stride for side in tensor_hw):
        faults.append(f"its size {_text(tensor_hw)} is not a multiple of its largest stride {facts.stride}")
    if faults:
        lines = "".join(f"\n  - {fault}" for fault in faults)
        raise BundleError(f"{path}: recognised: {form.describe()}; but{lines}")
    if form.ignored:
        notes.append(f"outputs that are not needed were left out: {', '.join(form.ignored)}")
    notes += probe.metadata.notes
    return Draft(path, options, probe, form, facts, size_hw, shapes, notes)


def _try(probe: Probe, options: ImportOptions) -> tuple[Form, SizeHW, Shapes, list[str]]:
    """Runs the probe pictures; returns the form, the size that showed it, the shapes and notes."""
    task = probe.metadata.task
    if not probe.fixed_reason:
        results = probe.run(PROBE_SIZES)
        forms = {size: _recognised(outputs, size, task) for size, outputs in results.items()}
        if len(forms) == len(PROBE_SIZES):
            first, second = forms.values()
            if isinstance(first, BundleError) and isinstance(second, BundleError):
                raise first
            if isinstance(first, Form) and isinstance(second, Form) and first.kind == second.kind:
                return first, PROBE_SIZES[0], "dynamic", []
    reason = probe.fixed_reason or "it fails or gives other outputs at other sizes"
    size = probe.fixed_hw or options.size_hw or probe.metadata.size_hw
    if size is None:
        said = f" ({probe.failure})" if probe.failure else ""
        raise BundleError(
            f"it takes images of one size only ({reason}), and does not say which{said}; give it with "
            "--imgsz, for example --imgsz 640"
        )
    if not all(0 < side <= _LARGEST_SIDE for side in size):
        raise BundleError(
            f"it takes images of {_text(size)} only; sides of 1 to {_LARGEST_SIDE} px can be run"
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
    return form, size, (size,), [f"it takes images of {_text(size)} only: {reason}"]


def _recognised(outputs: Outputs, size: SizeHW, task: str | None) -> Form | BundleError:
    try:
        return recognise(outputs, size, task)
    except BundleError as error:
        return error


def _said_size(options: ImportOptions, probe: Probe, stride: int, faults: list[str]) -> SizeHW | None:
    size = options.size_hw or probe.metadata.size_hw
    if size and any(side % stride for side in size):
        source = "--imgsz" if options.size_hw else "the size in its metadata,"
        faults.append(
            f"{source} {_text(size)} is not a multiple of the largest stride {stride}; set it with --imgsz"
        )
    return size


def _text(size_hw: SizeHW) -> str:
    return f"{size_hw[0]}x{size_hw[1]}"
