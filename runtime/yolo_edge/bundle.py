"""The bundle: a folder ``NAME.edge`` that says everything about a model, and its one reader.

``bundle.json`` is untrusted input. Everything in it is checked before use, all faults are reported at once,
and no file outside the folder is ever opened. The schema is described in docs/bundle.md.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any, Literal, Union

from yolo_edge.bundle_fields import Fields, holds_control_characters
from yolo_edge.bundle_json import LARGEST_MANIFEST, parse_json, shown
from yolo_edge.errors import BundleError

SCHEMA = 1
MANIFEST = "bundle.json"
GOLDEN = "golden.npz"

IMPORTED_SUFFIXES = (".onnx", ".param")
"""Models of other tools that ``yolo-edge import`` makes bundles of."""

KNOWN_REQUIREMENTS: frozenset[str] = frozenset()
"""Features that a bundle may list under ``requires`` and that this reader understands."""

_LONGEST_SIDE = 32768
"""Pixels: the core's letterbox goes no further, for beyond it float32 coordinates lose precision."""

_LARGEST_LIST = 64
"""Heads, targets, and outputs and files of a target."""

_LARGEST_VERIFICATION = 1000
"""Rows; there is one for each target and kind of arithmetic."""

_LARGEST_FACTOR = 1_000_000
"""Of mean and scale: grey levels normalised with them stay far inside float32."""

_SHA256 = re.compile("[0-9a-f]{64}")

ChannelOrder = Literal["rgb", "bgr"]
LetterboxMode = Literal["rect", "square"]
Shapes = Union[Literal["dynamic"], tuple[tuple[int, int], ...]]


@dataclass(frozen=True)
class ModelInput:
    """How an image becomes the network's input tensor."""

    channels: ChannelOrder
    """Channel order of the tensor: ``rgb`` or ``bgr``."""
    mean: tuple[float, float, float]
    """Subtracted from each 0..255 channel value."""
    scale: tuple[float, float, float]
    """Multiplied after the mean was subtracted."""
    pad_value: int
    """Grey level, 0..255, of the letterbox border."""
    letterbox: LetterboxMode
    """``rect`` pads to the next multiple of the stride, ``square`` to the full size."""
    size_hw: tuple[int, int]
    """Default network size, (height, width) in pixels."""
    stride: int
    """Largest stride of the model; height and width of the tensor are multiples of it."""


@dataclass(frozen=True)
class Head:
    """One detection head."""

    stride: int
    anchors_px: tuple[tuple[float, float], ...]
    """(width, height) of each anchor in pixels of the tensor."""


@dataclass(frozen=True)
class TargetInput:
    """The input tensor of one engine's file."""

    name: str
    dtype: str
    layout: str
    shapes: Shapes


@dataclass(frozen=True)
class TargetOutput:
    """One output tensor of one engine's file."""

    name: str
    head: int | None
    """Index of its head in the bundle; None for ``n,no``, which holds all heads."""
    layout: str
    activation: str
    dtype: str

    @property
    def dimensions(self) -> int:
        """Number of dimensions of the layout."""
        return self.layout.count(",") + 1


@dataclass(frozen=True)
class Target:
    """The model's files for one engine and one weight precision."""

    engine: str
    weights: str
    compute: tuple[str, ...]
    files: Mapping[str, str]
    sha256: Mapping[str, str]
    input: TargetInput
    outputs: tuple[TargetOutput, ...]

    @property
    def outputs_by_head(self) -> list[TargetOutput]:
        """The outputs in the order of the bundle's heads."""
        return sorted(self.outputs, key=lambda output: output.head or 0)


@dataclass(frozen=True)
class Bundle:
    """A bundle that has been read and checked."""

    path: Path
    family: str
    task: str
    names: tuple[str, ...]
    input: ModelInput
    heads: tuple[Head, ...]
    targets: tuple[Target, ...]
    provenance: Mapping[str, Any]
    verification: tuple[Mapping[str, Any], ...]
    manifest: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """What ``bundle.json`` holds, as it was read."""
    imported_from: Path | None = None
    """The file of another tool that this describes in memory; None for a bundle on disk."""

    @property
    def title(self) -> str:
        """What to call it in messages: the folder, or the file it was imported from."""
        return str(self.imported_from or self.path)

    @property
    def imported(self) -> bool:
        """Whether it was made from another tool's file, not from a checkpoint."""
        return self.provenance.get("source") == "imported"

    @property
    def golden_path(self) -> Path:
        """The checkpoint's own results for one image, which ``yolo-edge check`` compares with."""
        return self.path / GOLDEN

    def only(self, target: Target) -> Bundle:
        """The same bundle with one of its targets."""
        entries = self.manifest.get("targets", ())
        kept = [entry for entry, held in zip(entries, self.targets) if held == target]
        return replace(self, targets=(target,), manifest={**self.manifest, "targets": kept})

    def open_files(self, target: Target) -> dict[str, Path]:
        """Checks the hash of every file of a target and returns their paths by role.

        Raises:
            BundleError: A file whose content is not what the bundle says.
        """
        paths: dict[str, Path] = {}
        for role, name in target.files.items():
            path = self.path / name
            found = sha256_of(path)
            if found != target.sha256[name]:
                raise BundleError(
                    f"{path}: the content does not match the bundle (sha256 is {found[:12]}…, "
                    f"{MANIFEST} says {target.sha256[name][:12]}…); copy or export the bundle again"
                )
            paths[role] = path
        return paths


def sha256_of(path: Path) -> str:
    """Hashes a file.

    Raises:
        BundleError: The file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror}") from None
    return digest.hexdigest()


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Writes ``bundle.json`` into a folder.

    Raises:
        OSError: It cannot be written.
    """
    text = json.dumps(manifest, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


def load_bundle(path: str | Path) -> Bundle:
    """Reads and checks a bundle folder; the targets' hashes are checked when a target is opened.

    Args:
        path: The folder ``NAME.edge``.

    Raises:
        BundleError: Not a bundle, or one this version cannot use. Every fault is listed in one message.
    """
    folder = Path(path)
    return parse_bundle(_read_manifest(folder), folder)


def parse_bundle(manifest: Mapping[str, Any], folder: Path, imported_from: Path | None = None) -> Bundle:
    """Checks a manifest whose files lie in a folder.

    Args:
        manifest: What ``bundle.json`` holds.
        folder: Where the files are.
        imported_from: The file that the manifest was made for, when it was not read from the folder.

    Raises:
        BundleError: One that this version cannot use. Every fault is listed in one message.
    """
    faults: list[str] = []
    root = Fields(manifest, "", faults)

    schema = root.integer("schema", minimum=1)
    if schema is not None and schema > SCHEMA:
        # A newer schema may mean anything by the other keys: judging them would mislead.
        raise BundleError(
            f"{folder}: schema {schema} is newer than {SCHEMA}, the newest that this version of yolo-edge "
            "reads; upgrade yolo-edge or export the bundle again"
        )
    unknown = sorted(set(root.strings("requires")) - KNOWN_REQUIREMENTS)
    if unknown:
        raise BundleError(
            f"{folder}: requires {', '.join(map(shown, unknown))}, which this version of yolo-edge does not "
            "know; upgrade yolo-edge"
        )

    model = root.section("model")
    family, task = _text(model, "family"), model.choice("task", ("detect",))
    names = model.strings("names")
    model.refuse_control_characters("names", names)
    if model.raw.get("names") == []:
        model.fault("names", "is empty")
    model_input = _read_input(root.section("input"))
    target_fields = root.sections("targets", minimum=1, maximum=_LARGEST_LIST)
    needed = 0 if all(map(_is_decoded, target_fields)) else 1
    head_fields = root.sections("heads", minimum=needed, maximum=_LARGEST_LIST)
    heads = tuple(map(_read_head, head_fields))
    targets = tuple(_read_target(target, folder, len(heads)) for target in target_fields)
    seen: set[tuple[str, str]] = set()
    for fields, target in zip(target_fields, targets):
        kind = (target.engine, target.weights)
        if all(kind) and kind in seen:
            fields.fault("weights", f"is {shown(target.weights)}, as of another target of the same engine")
        seen.add(kind)
    verification = root.sections("verification", maximum=_LARGEST_VERIFICATION, required=False)
    bundle = Bundle(
        path=folder,
        family=family,
        task=task,
        names=tuple(names),
        input=model_input,
        heads=heads,
        targets=targets,
        provenance=root.section("provenance", required=False).raw,
        verification=tuple(row.raw for row in verification),
        manifest=manifest,
        imported_from=imported_from,
    )
    if not faults and any(side % model_input.stride for side in model_input.size_hw):
        faults.append(f"input.size_hw {shown(model_input.size_hw)} is not a multiple of input.stride")
    if not faults and any(model_input.stride % head.stride for head in heads):
        faults.append(f"input.stride {model_input.stride} is not a multiple of every head's stride")
    if faults:
        raise BundleError(f"{folder / MANIFEST}: " + "; ".join(faults))
    return bundle


def is_bundle(path: Path) -> bool:
    """Whether a folder looks like a bundle of ours, of any schema."""
    try:
        return "schema" in _read_manifest(path)
    except BundleError:
        return False


def _read_manifest(folder: Path) -> dict[str, Any]:
    try:
        is_folder, is_file = S_ISDIR(folder.stat().st_mode), S_ISREG(folder.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        raise BundleError(f"{folder}: no such bundle; yolo-export makes one from a checkpoint") from None
    except OSError as error:
        raise BundleError(f"{folder}: cannot be read: {error.strerror}") from None
    if folder.suffix in IMPORTED_SUFFIXES and is_file:
        raise BundleError(
            f"{folder}: is another tool's model, not a bundle; make one with: yolo-edge import {folder}"
        )
    if not is_folder:
        raise BundleError(f"{folder}: is not a bundle, which is a folder NAME.edge; yolo-export makes one")
    path = folder / MANIFEST
    try:
        if not path.is_file():
            raise BundleError(f"{folder}: has no {MANIFEST}, so it is not a bundle")
        with path.open("rb") as file:
            data = file.read(LARGEST_MANIFEST + 1)
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror}") from None
    if len(data) > LARGEST_MANIFEST:
        raise BundleError(f"{path}: is larger than {LARGEST_MANIFEST} bytes, the most that a manifest may be")
    try:
        manifest = parse_json(data)
    except ValueError as error:
        raise BundleError(f"{path}: is not valid JSON: {error}") from None
    if not isinstance(manifest, dict):
        raise BundleError(f"{path}: is {shown(manifest)}, not an object")
    return manifest


def _text(fields: Fields, key: str) -> str:
    value = fields.text(key)
    fields.refuse_control_characters(key, [value])
    return value


def _read_input(fields: Fields) -> ModelInput:
    mean = fields.numbers("mean", count=3, limit=_LARGEST_FACTOR)
    scale = fields.numbers("scale", count=3, limit=_LARGEST_FACTOR)
    size = fields.integers("size_hw", count=2, minimum=1, maximum=_LONGEST_SIDE)
    return ModelInput(
        channels=fields.choice("channels", ("rgb", "bgr")),
        mean=(mean[0], mean[1], mean[2]),
        scale=(scale[0], scale[1], scale[2]),
        pad_value=fields.integer("pad_value", minimum=0, maximum=255) or 0,
        letterbox=fields.choice("letterbox", ("rect", "square")),
        size_hw=(size[0], size[1]),
        stride=fields.integer("stride", minimum=1, maximum=_LONGEST_SIDE) or 1,
    )


def _read_head(fields: Fields) -> Head:
    return Head(
        stride=fields.integer("stride", minimum=1, maximum=_LONGEST_SIDE) or 1,
        anchors_px=fields.pairs("anchors_px", minimum=0.001, maximum=100_000),
    )


def _read_target(fields: Fields, folder: Path, heads: int) -> Target:
    files = fields.text_map("files", maximum=_LARGEST_LIST)
    hashes = fields.text_map("sha256", maximum=_LARGEST_LIST)
    for name in files.values():
        _check_file(fields, folder, name, hashes)
    tensor = fields.section("input")
    outputs = tuple(
        _read_output(output, heads) for output in fields.sections("outputs", minimum=1, maximum=_LARGEST_LIST)
    )
    if any(output.layout == "n,no" for output in outputs):
        if len(outputs) > 1:
            fields.fault("outputs", "holds one of layout n,no, which must be the only one")
    elif sorted(output.head or 0 for output in outputs) != list(range(heads)):
        fields.fault("outputs", f"must hold each of the {heads} heads once")
    engine, weights = _text(fields, "engine"), _text(fields, "weights")
    compute = fields.strings("compute", minimum=1)
    fields.refuse_control_characters("compute", compute)
    return Target(
        engine=engine,
        weights=weights,
        compute=tuple(compute),
        files=files,
        sha256=hashes,
        input=TargetInput(
            name=_text(tensor, "name"),
            dtype=_text(tensor, "dtype"),
            layout=tensor.choice("layout", ("nchw", "chw")),
            shapes=tensor.sizes("shapes", maximum=_LONGEST_SIDE) or "dynamic",
        ),
        outputs=outputs,
    )


def _read_output(fields: Fields, heads: int) -> TargetOutput:
    layout = fields.choice("layout", ("c,h,w", "na,h,w,no", "na,h*w,no", "n,no"))
    activation = fields.choice("activation", ("none", "sigmoid", "decoded"))
    head = None
    if layout != "n,no":
        head = fields.integer("head", minimum=0, maximum=heads - 1)
        if activation == "decoded":
            fields.fault("activation", f"is decoded, which layout {layout} cannot be")
    elif "head" in fields.raw:
        fields.fault("head", "is given, but layout n,no holds all heads")
    return TargetOutput(_text(fields, "name"), head, layout, activation, _text(fields, "dtype"))


def _is_decoded(target: Fields) -> bool:
    """Whether a target's outputs are boxes, so that nobody needs to know the heads."""
    outputs = target.raw.get("outputs")
    return isinstance(outputs, list) and all(
        isinstance(output, dict) and output.get("activation") == "decoded" for output in outputs
    )


def _check_file(fields: Fields, folder: Path, name: str, hashes: Mapping[str, str]) -> None:
    # No part of the path may be empty, so it is not absolute and names no folder.
    if any(part in ("", ".", "..") for part in name.split("/")) or holds_control_characters(name):
        fields.fault("files", f"names {shown(name)}, which is not a path inside the bundle")
    else:
        try:
            path, root = (folder / name).resolve(strict=True), folder.resolve(strict=True)
            if not path.is_file():
                raise FileNotFoundError
            if root not in path.parents:
                fields.fault("files", f"names {shown(name)}, which leads out of the bundle")
        except (OSError, RuntimeError):  # RuntimeError: a ring of links, before Python 3.13
            fields.fault("files", f"names {shown(name)}, which is missing from the bundle")
    if name not in hashes:
        fields.fault("sha256", f"lacks {shown(name)}")
    elif not _SHA256.fullmatch(hashes[name]):
        fields.fault(
            "sha256",
            f"of {shown(name)} is {shown(hashes[name])}, not 64 lower-case hexadecimal digits",
        )
