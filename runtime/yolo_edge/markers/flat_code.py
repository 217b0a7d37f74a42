"""One code as it is printed: a flat picture and where its modules are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Gray = npt.NDArray[np.uint8]

CLASS_NAMES = ("qr_code", "marker", "barcode")
"""Classes of the default model, in the order of their ids."""


@dataclass(frozen=True)
class FlatCode:
    """A code seen from the front, with the quiet zone its standard asks for."""

    class_name: str
    """One of :data:`CLASS_NAMES`."""
    symbology: str
    """The standard, e.g. ``EAN-13``, ``QR version 3-M``, ``DICT_4X4_50``."""
    content: str
    """What a reader reads: text, digits, or a marker's id."""
    image: Gray
    """uint8 (height, width), 0 dark and 255 light, quiet zone included."""
    extent: tuple[int, int, int, int]
    """left, top, right, bottom of the modules in pixels of ``image``: no quiet zone, no digits below."""
    module_px: int
    """Pixels of one module, for bar codes of the narrowest bar."""

    @property
    def class_id(self) -> int:
        """Index into :data:`CLASS_NAMES`."""
        return CLASS_NAMES.index(self.class_name)


def scale_modules(modules: Gray, module_px: int) -> Gray:
    """Draws each entry of ``modules`` as a square of ``module_px`` pixels."""
    return modules.repeat(module_px, axis=0).repeat(module_px, axis=1)
