"""Pascal VOC's XML format (the development kit's documentation, section "Annotations").

Its pixel coordinates count from 1 and name the box's first and last pixel, so that 1 and the image's width
span it all; labelling tools write edges that count from 0 into the same files.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal
from xml.etree import ElementTree

from yolo_edge.datasets.given_files import read_given_text
from yolo_edge.errors import DatasetError
from yolo_train.converters.base import (
    PIXEL_DECIMALS,
    Converter,
    LabelSource,
    ReadLabels,
    SplitToWrite,
    register,
)
from yolo_train.converters.images import find_image, labelled_in_pixels
from yolo_train.converters.xml_tree import read_xml

if TYPE_CHECKING:
    from yolo_edge.datasets.labels import Findings, Label, LabelledImage

_SIDES = ("xmin", "ymin", "xmax", "ymax")
_DIGITS = 10
"""Of a size in pixels there are fewer."""
_DIFFICULT = "objects marked difficult (--difficult keep takes them)"


@register("voc")
class VocConverter(Converter):
    """One XML file for each image.

    Args:
        first_pixel: What the first pixel is called: 1 as in Pascal VOC, where a box names its last pixel, or
            0 where it names edges.
        difficult: Objects marked difficult, which Pascal VOC's evaluation leaves out: ``drop`` or ``keep``.
        decimals: Of the pixel coordinates that are written; 0 writes whole numbers, as every reader expects.

    Raises:
        ValueError: A bad argument.
    """

    title: ClassVar[str] = "Pascal VOC XML"
    labels_help: ClassVar[str] = (
        "the folder of XML files, or a list of names from ImageSets/Main beside Annotations"
    )
    not_written: ClassVar[str] = "poses, the marks truncated and difficult, and parts of pixels"

    def __init__(
        self,
        *,
        first_pixel: Literal[0, 1] = 1,
        difficult: Literal["drop", "keep"] = "drop",
        decimals: int = 0,
    ) -> None:
        if first_pixel not in (0, 1):
            raise ValueError(f"first_pixel is {first_pixel}; it must be 0 or 1")
        if difficult not in ("drop", "keep"):
            raise ValueError(f"difficult is {difficult!r}; it must be drop or keep")
        if not 0 <= decimals <= PIXEL_DECIMALS:
            raise ValueError(f"decimals is {decimals}; it must be 0 to {PIXEL_DECIMALS}")
        self._first = first_pixel
        self._keep_difficult = difficult == "keep"
        self._decimals = decimals

    @staticmethod
    def add_arguments(group: argparse._ActionsContainer) -> None:
        """Adds the flags of the format."""
        defaults = VocConverter()
        group.add_argument(
            "--first-pixel",
            type=int,
            choices=(0, 1),
            default=defaults._first,
            help="1: as in Pascal VOC, coordinates count from 1 and name a box's last pixel; 0: they are "
            "edges that count from 0, as many labelling tools write (default: %(default)s)",
        )
        group.add_argument(
            "--difficult",
            choices=("drop", "keep"),
            default="keep" if defaults._keep_difficult else "drop",
            help="what becomes of objects marked difficult (default: %(default)s)",
        )
        group.add_argument(
            "--decimals",
            type=int,
            metavar="N",
            default=defaults._decimals,
            help=f"decimals of the coordinates that are written, 0 to {PIXEL_DECIMALS}; not every reader "
            "takes any (default: %(default)s)",
        )

    @classmethod
    def from_arguments(cls, args: argparse.Namespace) -> VocConverter:
        """With the options of a command line."""
        return cls(first_pixel=args.first_pixel, difficult=args.difficult, decimals=args.decimals)

    def read(self, source: LabelSource, findings: Findings) -> ReadLabels:
        """Reads the XML files; classes are numbered by the alphabet."""
        read: list[tuple[Path, list[tuple[str, Label]], tuple[int, int] | None]] = []
        difficult = 0
        for path in _files(source.labels):
            try:
                root = read_xml(path)
                objects, dropped = self._objects(root, path)
            except DatasetError as error:
                findings.faults.append(str(error))
                continue
            difficult += dropped
            read.append((_image(root, path, source), objects, _size_hw(root)))
        names = sorted({name for _, objects, _ in read for name, _ in objects})
        images = []
        for file, objects, size_hw in read:
            labels = [label._replace(class_id=names.index(name)) for name, label in objects]
            images.append(labelled_in_pixels(file, labels, size_hw, findings))
        return ReadLabels(dict(enumerate(names)), images, {_DIFFICULT: difficult} if difficult else {})

    def _objects(self, root: ElementTree.Element, path: Path) -> tuple[list[tuple[str, Label]], int]:
        """Name and box, in pixels, of each object, and how many difficult ones were left out."""
        if root.tag != "annotation":
            raise DatasetError(f"{path}: is no Pascal VOC file: it starts with <{root.tag}>")
        found, dropped = [], 0
        for number, element in enumerate(root.iter("object"), 1):
            place = f"{path}: object {number}"
            name = (element.findtext("name") or "").strip()
            if not name:
                raise DatasetError(f"{place} has no name")
            if not self._keep_difficult and (element.findtext("difficult") or "").strip() == "1":
                dropped += 1
                continue
            found.append((name, self._label(element, place)))
        return found, dropped

    def _label(self, element: ElementTree.Element, place: str) -> Label:
        from yolo_edge.datasets.labels import Label

        box = element.find("bndbox")
        texts = [None if box is None else box.findtext(side) for side in _SIDES]
        try:
            x0, y0, x1, y1 = (float(text or "nothing") for text in texts)
        except ValueError:
            shown = ", ".join(f"{side} {text!r}" for side, text in zip(_SIDES, texts))
            raise DatasetError(f"{place} has no box of four numbers: {shown}") from None
        # With decimals a box may be narrower than a pixel, and its end stand before its start.
        backwards = x1 < x0 - self._first or y1 < y0 - self._first
        if not all(map(math.isfinite, (x0, y0, x1, y1))) or backwards:
            raise DatasetError(f"{place} has the box {x0:g}, {y0:g}, {x1:g}, {y1:g}, which is none")
        if self._first == 1 and min(x0, y0) < 1:
            raise DatasetError(
                f"{place} starts at {x0:g}, {y0:g}, but Pascal VOC counts from 1; a file that counts from 0 "
                "is read with --first-pixel 0"
            )
        return Label(0, (x0 - self._first, y0 - self._first, x1, y1), place)

    def write(self, names: Sequence[str], splits: Sequence[SplitToWrite], folder: Path) -> Mapping[str, Path]:
        """Writes ``Annotations/SPLIT/IMAGE.xml``."""
        places = {}
        for split in splits:
            annotations = folder / "Annotations" / split.name
            for image in split.images:
                relative = image.path.relative_to(split.images_folder)
                path = (annotations / relative).with_suffix(".xml")
                path.parent.mkdir(parents=True, exist_ok=True)
                root = self._annotation(image, relative, names)
                ElementTree.indent(root)
                path.write_bytes(ElementTree.tostring(root, encoding="utf-8") + b"\n")
            places[split.name] = annotations.relative_to(folder)
        return places

    def _annotation(self, image: LabelledImage, relative: Path, names: Sequence[str]) -> ElementTree.Element:
        height, width = image.known_size_hw
        root = ElementTree.Element("annotation")
        _add(root, "folder", relative.parent.name)
        _add(root, "filename", relative.name)
        size = ElementTree.SubElement(root, "size")
        for key, value in (("width", width), ("height", height), ("depth", 3)):
            _add(size, key, str(value))
        _add(root, "segmented", "0")
        for class_id, box in zip(image.objects.class_id.tolist(), image.boxes_px().tolist()):
            element = ElementTree.SubElement(root, "object")
            _add(element, "name", names[class_id])
            for key, text in (("pose", "Unspecified"), ("truncated", "0"), ("difficult", "0")):
                _add(element, key, text)
            bounds = ElementTree.SubElement(element, "bndbox")
            for side, bound in zip(_SIDES, self._bounds(box, (width, height))):
                _add(bounds, side, f"{bound:.{self._decimals}f}")
        return root

    def _bounds(self, box: Sequence[float], size_wh: tuple[int, int]) -> tuple[float, ...]:
        """The box in the format's numbers; one that rounding would leave empty gets a pixel."""
        least = 10.0**-self._decimals
        low: list[float] = []
        high: list[float] = []
        for start, end, limit in zip(box[:2], box[2:], size_wh):
            first = min(round(start, self._decimals), limit - least)
            low.append(first + self._first)
            high.append(max(round(end, self._decimals), first + least))
        return (*low, *high)


def _files(labels: Path) -> list[Path]:
    """The XML files of a folder, or those that a list names."""
    if labels.is_dir():
        files = sorted(labels.rglob("*.xml"))
        if not files:
            raise DatasetError(f"{labels}: holds no XML files")
        return files
    try:
        # A list of a class has a second column that says whether the image shows it.
        stems = [line.split()[0] for line in read_given_text(labels).splitlines() if line.strip()]
    except FileNotFoundError as error:
        raise DatasetError(f"{labels}: cannot be read: {error.strerror}") from None
    except DatasetError as error:
        raise DatasetError(f"{error}; it is neither a folder of XML files nor a list of names") from None
    for folder in (labels.parent, *labels.parents):
        if (folder / "Annotations").is_dir():
            return [folder / "Annotations" / f"{stem}.xml" for stem in dict.fromkeys(stems)]
    raise DatasetError(f"{labels}: there is no folder Annotations in a folder above it")


def _image(root: ElementTree.Element, path: Path, source: LabelSource) -> Path:
    """The image of an XML file: in the same place of the images' folder, else by its file name."""
    below = path.relative_to(source.labels) if source.labels.is_dir() else Path(path.name)
    relative = below.with_suffix("")
    named = (root.findtext("filename") or "").replace("\\", "/").rpartition("/")[2]
    suffix = Path(named).suffix
    return find_image(source.images, [*([f"{relative}{suffix}"] if suffix else []), str(relative), named])


def _size_hw(root: ElementTree.Element) -> tuple[int, int] | None:
    """The size that it says; some tools write 0 for what they do not know."""
    texts = [(root.findtext(f"size/{side}") or "").strip() for side in ("height", "width")]
    if not all(text.isascii() and text.isdigit() and len(text) < _DIGITS and int(text) for text in texts):
        return None
    return int(texts[0]), int(texts[1])


def _add(parent: ElementTree.Element, tag: str, text: str) -> None:
    ElementTree.SubElement(parent, tag).text = text
