"""Puts what a form shows, a file's metadata and the user's options together: names, strides, anchors.

Every fault goes to one list, so that the user gets all of them at once.
"""

from __future__ import annotations

from dataclasses import dataclass

from yolo_edge.bundle import Head
from yolo_edge.importing.forms import Form, HeadForm, RowsForm, possible_heads
from yolo_edge.importing.metadata import Metadata
from yolo_edge.importing.options import Anchors, ImportOptions
from yolo_edge.importing.probes import SizeHW

_USUAL_ANCHORS = (
    "The usual ones, if the training did not compute its own (autoanchor; the training log tells): "
    "YOLOv5 and YOLOv5-Lite e, s, c, g: 10,13,16,30,33,23/30,61,62,45,59,119/116,90,156,198,373,326; "
    "YOLOv5 P6 (n6 to x6): 19,27,44,40,38,94/96,68,86,152,180,137/140,301,303,264,238,542/"
    "436,615,739,380,925,792"
)
"""From the YAML files of the original repositories; shown, never taken."""


@dataclass(frozen=True)
class ModelFacts:
    """What a bundle says of a model."""

    names: tuple[str, ...]
    stride: int
    heads: tuple[Head, ...]
    """In the order of the outputs, or of the rows; empty for decoded boxes."""


def gather_facts(
    form: Form, tensor_hw: SizeHW, options: ImportOptions, metadata: Metadata, faults: list[str]
) -> ModelFacts:
    """Finds names, strides and anchors; of what cannot be known the faults tell which option says it."""
    names = options.names or metadata.names or ()
    if form.rows:
        return _facts_of_rows(form.rows, tensor_hw, options, metadata, names, faults)
    return _facts_of_heads(form.heads, options, names, faults)


def _facts_of_rows(
    form: RowsForm,
    tensor_hw: SizeHW,
    options: ImportOptions,
    metadata: Metadata,
    names: tuple[str, ...],
    faults: list[str],
) -> ModelFacts:
    _check_names(names, form.numbers - 5, options, faults)
    possible = possible_heads(form.rows, tensor_hw)
    if options.strides:
        possible = [heads for heads in possible if heads[1] == tuple(sorted(options.strides))] or possible
    elif metadata.stride:
        possible = [heads for heads in possible if heads[1][-1] == metadata.stride] or possible
    anchors, strides = possible[0]
    if form.activation == "decoded":
        if options.anchors_px:
            faults.append("the boxes are decoded already, anchors have no use; leave --anchors out")
        stride = max(options.strides) if options.strides else metadata.stride or strides[-1]
        return ModelFacts(names, stride, ())
    order = options.strides or strides
    if not options.anchors_px:
        faults.append(_missing_anchors(f"{len(order)} heads of {anchors} anchors (strides {_list(order)})"))
        return ModelFacts(names, max(order), ())
    if not options.strides:
        fitting = [
            strides
            for _, strides in possible_heads(form.rows, tensor_hw)
            if _rows(strides, options.anchors_px, tensor_hw) == form.rows
        ]
        order = fitting[0] if fitting else order
    if _rows(order, options.anchors_px, tensor_hw) != form.rows:
        given = ", ".join(str(len(group)) for group in options.anchors_px)
        faults.append(
            f"{len(options.anchors_px)} heads of {given} anchors (--anchors) at the strides {_list(order)} "
            f"do not give the {form.rows} rows of the output at {tensor_hw[0]}x{tensor_hw[1]}; "
            f"{len(strides)} heads of {anchors} anchors at the strides {_list(strides)} would"
        )
    _check_order(order, options.anchors_px, faults)
    return ModelFacts(names, max(order), tuple(map(Head, order, options.anchors_px)))


def _facts_of_heads(
    forms: tuple[HeadForm, ...], options: ImportOptions, names: tuple[str, ...], faults: list[str]
) -> ModelFacts:
    strides = tuple(form.stride for form in forms)
    order = options.strides or strides
    anchors_px = options.anchors_px
    if sorted(order) != sorted(strides):
        faults.append(f"strides {_list(order)} (--strides) are not those of the outputs: {_list(strides)}")
        order = strides
    counts = [form.anchors or (form.channels // (5 + len(names)) if names else None) for form in forms]
    if anchors_px and len(anchors_px) != len(forms):
        faults.append(
            f"anchors for {len(anchors_px)} heads were given (--anchors); the file has {len(forms)} heads "
            f"(strides {_list(strides)})"
        )
        anchors_px = None
    elif not anchors_px:
        known = {count for count in counts if count}
        each = f" of {known.pop()} anchors" if len(known) == 1 else ""
        faults.append(_missing_anchors(f"{len(forms)} heads{each} (strides {_list(strides)})"))
    by_stride = dict(zip(order, anchors_px)) if anchors_px else {}
    classes: set[int] = set()
    for form, count in zip(forms, counts):
        group = by_stride.get(form.stride)
        if form.numbers is not None:
            classes.add(form.numbers - 5)
        elif group and form.channels % len(group) == 0 and form.channels // len(group) >= 6:
            classes.add(form.channels // len(group) - 5)
        if group and (form.channels % len(group) or (form.anchors or len(group)) != len(group)):
            wanted = f"it has {form.anchors or count or 'another number'}"
            faults.append(
                f"{len(group)} anchors were given for the head of stride {form.stride} (--anchors); {wanted} "
                f"({form.channels} numbers per cell = anchors x (5 + classes))"
            )
    if len(classes) > 1:
        found = " or ".join(map(str, sorted(classes)))
        faults.append(f"the heads disagree on the number of classes with these anchors: {found}")
    elif classes:
        _check_names(names, classes.pop(), options, faults)
    elif not names:
        channels = _list(sorted({form.channels for form in forms}))
        faults.append(
            f"the class names are not known; give --names FILE (one name a line) or --names person,car,…; a "
            f"head has {channels} numbers per cell = anchors x (5 + classes)"
        )
    elif wrong := [form for form in forms if form.channels % (5 + len(names))]:
        faults.append(
            f"{len(names)} names do not fit heads of {wrong[0].channels} numbers per cell = anchors x "
            "(5 + classes)"
        )
    if anchors_px:
        _check_order(order, anchors_px, faults)
    heads = tuple(Head(form.stride, by_stride.get(form.stride, ())) for form in forms)
    return ModelFacts(names, max(strides), heads)


def _check_names(names: tuple[str, ...], classes: int, options: ImportOptions, faults: list[str]) -> None:
    if not names:
        faults.append(
            f"the names of its {classes} classes are not known; give --names FILE (one name a line, or a "
            "YAML file with names:) or --names person,car,…"
        )
    elif len(names) != classes:
        source = "--names holds" if options.names else "the file's metadata holds"
        advice = "" if options.names else "; give the right ones with --names"
        faults.append(f"{source} {len(names)} names, the outputs have {classes} classes{advice}")


def _check_order(strides: tuple[int, ...], anchors_px: Anchors, faults: list[str]) -> None:
    """Anchors grow with the stride, in all releases: YOLOv5's check_anchor_order sees to it."""
    areas = [
        sum(width * height for width, height in group) / len(group)
        for _, group in sorted(zip(strides, anchors_px))
    ]
    if any(first >= second for first, second in zip(areas, areas[1:])):
        faults.append(
            f"the anchors do not grow with the strides {_list(strides)}; give them in the order of "
            "--strides, or smallest stride first without it"
        )


def _missing_anchors(heads: str) -> str:
    return (
        f"the anchors are not in the file; give --anchors for {heads} as w,h,w,h,w,h/…, smallest stride "
        f"first. {_USUAL_ANCHORS}"
    )


def _rows(strides: tuple[int, ...], anchors_px: Anchors, tensor_hw: SizeHW) -> int:
    if len(strides) != len(anchors_px):
        return -1
    return sum(
        len(group) * -(-tensor_hw[0] // stride) * -(-tensor_hw[1] // stride)
        for stride, group in zip(strides, anchors_px)
    )


def _list(numbers: object) -> str:
    return ", ".join(map(str, numbers))  # type: ignore[call-overload]
