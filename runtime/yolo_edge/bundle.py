"""The bundle: a folder ``NAME.edge`` that says everything about a model, and its one reader.

``bundle.json`` is untrusted input. Everything in it is checked before use, all faults are reported at once,
and no file outside the folder is ever opened. The schema is described in docs/bundle.md.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Union

from yolo_edge.bundle_fields import Fields
from yolo_edge.errors import BundleError

SCHEMA = 1
MANIFEST = "bundle.json"
GOLDEN = "golden.npz"

IMPORTED_SUFFIXES = (".onnx", ".param")
"""Models of other tools that ``yolo-edge import`` makes bundles of."""

KNOWN_REQUIREMENTS: frozenset[str] = frozenset()
"""Features that a bundle may list under ``requires`` and that this reader understands."""

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
            f"{folder}: requires {', '.join(unknown)}, which this version of yolo-edge does not know; "
            "upgrade yolo-edge"
        )

    model = root.section("model")
    family, task = model.text("family"), model.choice("task", ("detect",))
    names = model.strings("names")
    model_input = _read_input(root.section("input"))
    target_fields = root.sections("targets", minimum=1)
    needed = 0 if all(map(_is_decoded, target_fields)) else 1
    heads = tuple(_read_head(head) for head in root.sections("heads", minimum=needed))
    targets = tuple(_read_target(target, folder, len(heads)) for target in target_fields)
    bundle = Bundle(
        path=folder,
        family=family,
        task=task,
        names=tuple(names),
        input=model_input,
        heads=heads,
        targets=targets,
        provenance=root.section("provenance", required=False).raw,
        verification=tuple(row.raw for row in root.sections("verification", required=False)),
        imported_from=imported_from,
    )
    if not all(name.isprintable() for name in names):
        faults.append("model.names holds control characters")
    if not names and "names" in model.raw:
        faults.append("model.names is empty")
    if not faults and any(side % model_input.stride for side in model_input.size_hw):
        faults.append(f"input.size_hw {list(model_input.size_hw)} is not a multiple of input.stride")
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
    if not folder.exists():
        raise BundleError(f"{folder}: no such bundle; yolo-export makes one from a checkpoint")
    if folder.suffix in IMPORTED_SUFFIXES and folder.is_file():
        raise BundleError(
            f"{folder}: is another tool's model, not a bundle; make one with: yolo-edge import {folder}"
        )
    if not folder.is_dir():
        raise BundleError(f"{folder}: is not a bundle, which is a folder NAME.edge; yolo-export makes one")
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BundleError(f"{folder}: has no {MANIFEST}, so it is not a bundle") from None
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path}: is not valid JSON: {error}") from None
    if not isinstance(manifest, dict):
        raise BundleError(f"{path}: holds a {type(manifest).__name__}, not an object")
    return manifest


def _read_input(fields: Fields) -> ModelInput:
    mean = fields.numbers("mean", count=3)
    scale = fields.numbers("scale", count=3)
    size = fields.integers("size_hw", count=2, minimum=1)
    return ModelInput(
        channels=fields.choice("channels", ("rgb", "bgr")),
        mean=(mean[0], mean[1], mean[2]),
        scale=(scale[0], scale[1], scale[2]),
        pad_value=fields.integer("pad_value", minimum=0, maximum=255) or 0,
        letterbox=fields.choice("letterbox", ("rect", "square")),
        size_hw=(size[0], size[1]),
        stride=fields.integer("stride", minimum=1) or 1,
    )


def _read_head(fields: Fields) -> Head:
    return Head(stride=fields.integer("stride", minimum=1) or 1, anchors_px=fields.pairs("anchors_px"))


def _read_target(fields: Fields, folder: Path, heads: int) -> Target:
    files = fields.text_map("files")
    hashes = fields.text_map("sha256")
    for name in files.values():
        _check_file(fields, folder, name, hashes)
    tensor = fields.section("input")
    outputs = tuple(_read_output(output, heads) for output in fields.sections("outputs", minimum=1))
    if any(output.layout == "n,no" for output in outputs):
        if len(outputs) > 1:
            fields.fault("outputs", "holds one of layout n,no, which must be the only one")
    elif sorted(output.head or 0 for output in outputs) != list(range(heads)):
        fields.fault("outputs", f"must hold each of the {heads} heads once")
    return Target(
        engine=fields.text("engine"),
        weights=fields.text("weights"),
        compute=tuple(fields.strings("compute", minimum=1)),
        files=files,
        sha256=hashes,
        input=TargetInput(
            name=tensor.text("name"),
            dtype=tensor.text("dtype"),
            layout=tensor.choice("layout", ("nchw", "chw")),
            shapes=_read_shapes(tensor),
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
    return TargetOutput(fields.text("name"), head, layout, activation, fields.text("dtype"))


def _is_decoded(target: Fields) -> bool:
    """Whether a target's outputs are boxes, so that nobody needs to know the heads."""
    outputs = target.raw.get("outputs")
    return isinstance(outputs, list) and all(
        isinstance(output, dict) and output.get("activation") == "decoded" for output in outputs
    )


def _read_shapes(fields: Fields) -> Shapes:
    if fields.raw.get("shapes") == "dynamic":
        return "dynamic"
    shapes = fields.pairs("shapes", expected='"dynamic" or a list of [height, width]')
    return tuple((int(height), int(width)) for height, width in shapes)


def _check_file(fields: Fields, folder: Path, name: str, hashes: Mapping[str, str]) -> None:
    path = folder / name
    inside = not Path(name).is_absolute() and folder.resolve() in path.resolve().parents
    if not inside:
        fields.fault("files", f"names {name!r}, which is outside the bundle")
    elif not path.is_file():
        fields.fault("files", f"names {name!r}, which is missing from the bundle")
    if name not in hashes:
        fields.fault("sha256", f"lacks {name!r}")
