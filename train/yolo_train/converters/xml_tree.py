"""XML without what makes it dangerous: no document types, and so no entities that grow or fetch files."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

from yolo_edge.datasets.given_files import MOST_BYTES_OF_AN_IMAGE, read_given_bytes
from yolo_edge.errors import DatasetError


def read_xml(path: Path) -> ElementTree.Element:
    """Reads a file.

    Raises:
        DatasetError: It cannot be read, is no XML, or declares a document type.
    """
    builder = ElementTree.TreeBuilder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data

    def refuse(*_: Any) -> None:
        # Entities can be declared in a document type only.
        raise DatasetError(f"{path}: declares a document type, which annotations have no need of; refused")

    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(read_given_bytes(path, most_bytes=MOST_BYTES_OF_AN_IMAGE), True)
    except FileNotFoundError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}") from None
    except (expat.ExpatError, ValueError, LookupError) as error:  # an encoding that nobody knows
        raise DatasetError(f"{path}: is not valid XML: {error}") from None
    return builder.close()
