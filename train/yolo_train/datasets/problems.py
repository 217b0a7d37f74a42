"""What can be wrong with a dataset, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple


class Kind(NamedTuple):
    """A kind of problem."""

    title: str
    """Several of them, as a heading."""
    advice: str
    """What to do."""
    fault: bool
    """Whether training refuses the dataset."""


KINDS: dict[str, Kind] = {
    "dataset-file": Kind("Faults of the dataset YAML", "correct the YAML", True),
    "missing-image": Kind(
        "Images that do not exist", "correct the list file, or put the images where it says", True
    ),
    "corrupt-image": Kind("Images that cannot be read", "replace the files, or delete them", True),
    "missing-labels-folder": Kind(
        "Labels folders that do not exist",
        "put the labels beside the images, with 'labels' for 'images' in the path; make an empty folder if "
        "the images show no objects",
        True,
    ),
    "unreadable-labels": Kind("Label files that cannot be read", "replace them", True),
    "malformed-row": Kind(
        "Rows that are no labels", "a row is: class, centre x, centre y, width, height", True
    ),
    "unknown-class": Kind(
        "Rows of a class that the dataset does not name", "correct the rows, or add the class to names", True
    ),
    "coordinate-range": Kind(
        "Rows that reach outside 0..1",
        "divide pixels by the image's width and height: coordinates are fractions of them",
        True,
    ),
    "shared-labels": Kind(
        "Images that share a label file", "rename one of each pair: labels are found by the name's stem", True
    ),
    "no-objects": Kind(
        "Splits without an object", "label some; see `yolo-train check` for where labels are looked for", True
    ),
    "names": Kind("Class names put right", "write names as a list with each name once", False),
    "in-train-and-val": Kind(
        "Images in both train and val",
        "take them out of one: on images that were trained on, validation says nothing about new ones",
        False,
    ),
    "listed-twice": Kind("Images named twice in a split, used once", "name each once", False),
    "duplicate-row": Kind("Rows that stand twice, used once", "delete one of each", False),
    "empty-box": Kind("Boxes without area, left out", "delete the rows", False),
    "clipped-box": Kind("Boxes that reach outside their image, clipped", "clip them to 0..1", False),
    "no-label-file": Kind(
        "Images without a label file, taken as showing no objects",
        "label them, or make empty label files to say so",
        False,
    ),
    "orphan-labels": Kind(
        "Label files without an image in the dataset", "add the images, or delete the files", False
    ),
    "unused-class": Kind(
        "Classes without an object",
        "what is not in train is not learnt, and what is not in val has no AP; label some",
        False,
    ),
    "tiny-object": Kind(
        "Objects under 3 px wide or high at the network's size",
        "train at a larger --imgsz, or cut the images into tiles: such objects are hardly found",
        False,
    ),
}
"""By key, in the order of a report; the faults come first."""


class Problem(NamedTuple):
    """One problem."""

    kind: str
    place: str
    """Where: a file, ``FILE:LINE``, a class."""
    text: str = ""
    """What is wrong there, where the kind does not say all."""

    def __str__(self) -> str:
        return f"{self.place}: {self.text}" if self.text else self.place


@dataclass
class Problems:
    """The problems of a dataset, by kind."""

    by_kind: dict[str, list[Problem]] = field(default_factory=dict)

    def add(self, kind: str, place: object, text: str = "") -> None:
        """Adds one."""
        self.by_kind.setdefault(kind, []).append(Problem(kind, str(place), text))

    def add_all(self, kind: str, places: Iterable[object]) -> None:
        """Adds one for each place."""
        for place in places:
            self.add(kind, place)

    def copy(self) -> Problems:
        """One to which more can be added."""
        return Problems({kind: list(problems) for kind, problems in self.by_kind.items()})

    def of(self, *, fault: bool) -> list[tuple[Kind, list[Problem]]]:
        """The faults, or the others, in the order of a report; what two splits share, once."""
        return [
            (kind, list(dict.fromkeys(self.by_kind[key])))
            for key, kind in KINDS.items()
            if kind.fault == fault and self.by_kind.get(key)
        ]

    @property
    def fault_count(self) -> int:
        """How many are faults."""
        return sum(len(problems) for _, problems in self.of(fault=True))

    def warnings(self) -> tuple[str, ...]:
        """One line for each kind that is no fault."""
        return tuple(
            f"{kind.title.lower() if kind.title[1].islower() else kind.title}: {len(problems)} "
            f"(first: {problems[0]}); {kind.advice}"
            for kind, problems in self.of(fault=False)
        )
