"""What every block of a network declares, and the registry from class paths in a pickle to our classes.

A block of YOLOv5 or YOLOv5-Lite is a subclass of `Block` registered with `block`. It can be made in two ways:
by its constructor, and by `Block.assembled` from the children and attributes that a pickled record of it
carries. Their names are an interface, the code is not. Modules of torch itself are rebuilt by functions
registered with `torch_module`, which call the public constructor with checked values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Callable, ClassVar, TypeVar

from torch import nn

__all__ = [
    "CONTAINERS",
    "Attribute",
    "Block",
    "Fields",
    "block",
    "find_block",
    "find_torch_module",
    "known_blocks",
    "torch_module",
]

#: Modules that only hold others.
CONTAINERS = ("torch.nn.modules.container.ModuleList", "torch.nn.modules.container.Sequential")


@dataclass(frozen=True)
class Attribute:
    """A plain value that the record of a block carries.

    Attributes:
        kind: Its type.
        default: Value where an older release did not write it; None if every release did.
        low: Least value allowed.
        high: Greatest value allowed.
    """

    kind: type[int] | type[bool]
    default: int | None = None
    low: int = 0
    high: int = 1 << 16


@dataclass(frozen=True)
class Parts:
    """What the record of a block carries.

    Attributes:
        children: Names of the sub-modules that every record has.
        optional: Sub-modules that some records lack, and what stands in for them.
        attributes: Plain values.
    """

    children: tuple[str, ...] = ()
    optional: Mapping[str, Callable[[], nn.Module]] = field(default_factory=dict)
    attributes: Mapping[str, Attribute] = field(default_factory=dict)


class Block(nn.Module):
    """Base of the blocks; the decorator `block` declares their parts."""

    _parts: ClassVar[Parts]
    family: ClassVar[str]
    class_paths: ClassVar[tuple[str, ...]]

    @classmethod
    def assembled(cls: type[BlockType], children: Mapping[str, nn.Module], fields: Fields) -> BlockType:
        """Make the block from the parts that a record carries.

        Args:
            children: Sub-modules by name; those that are not declared are left out.
            fields: Plain values of the record.

        Raises:
            ValueError: A declared part is missing or has the wrong type.
        """
        made = cls.__new__(cls)
        nn.Module.__init__(made)
        missing = [name for name in cls._parts.children if name not in children]
        if missing:
            raise ValueError(f"lacks {', '.join(missing)}")
        known = {*cls._parts.children, *cls._parts.optional}
        # An unknown part without numbers may be left over; one with numbers would be missing in the result.
        unknown = [name for name, child in children.items() if name not in known and _has_numbers(child)]
        if unknown:
            raise ValueError(f"has parts that are unknown here: {', '.join(map(ascii, unknown))[:200]}")
        for name in cls._parts.children:
            setattr(made, name, children[name])
        for name, stand_in in cls._parts.optional.items():
            setattr(made, name, children[name] if name in children else stand_in())
        for name, attribute in cls._parts.attributes.items():
            setattr(made, name, fields.attribute(name, attribute))
        made.finish(fields)
        return made

    def finish(self, fields: Fields) -> None:
        """Called by `assembled` at the end: reads or refuses what a declaration of parts cannot say.

        Args:
            fields: As in `assembled`.

        Raises:
            ValueError: The parts do not fit each other.
        """

    def plain_fields(self) -> dict[str, Any]:
        """The plain values that a record of this block needs: what `assembled` reads from its fields."""
        return {name: getattr(self, name) for name in self._parts.attributes}

    @classmethod
    def optional_parts(cls) -> tuple[str, ...]:
        """Names of the parts that a record of this block may lack."""
        return tuple(cls._parts.optional)


def _has_numbers(module: nn.Module) -> bool:
    return any(True for _ in module.parameters()) or any(True for _ in module.buffers())


class Fields:
    """Checked reading of the plain values of one record.

    Args:
        values: The record's state.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def attribute(self, name: str, declared: Attribute) -> int:
        """A declared attribute of a block."""
        if declared.kind is bool:
            return self.flag(name, None if declared.default is None else bool(declared.default))
        return self.integer(name, declared.default, low=declared.low, high=declared.high)

    def flag(self, name: str, default: bool | None = None) -> bool:
        """A truth value."""
        value = self._values.get(name, default)
        if not isinstance(value, bool):
            raise self._wrong(name, value, "True or False")
        return value

    def integer(self, name: str, default: int | None = None, *, low: int = 0, high: int = 1 << 16) -> int:
        """An integer from ``low`` to ``high``."""
        value = self._values.get(name, default)
        if type(value) is not int or not low <= value <= high:
            raise self._wrong(name, value, f"an integer from {low} to {high}")
        return value

    def number(self, name: str, default: float | None = None, *, low: float, high: float) -> float:
        """A finite number from ``low`` to ``high``."""
        value = self._values.get(name, default)
        if type(value) not in (int, float) or not low <= value <= high:
            raise self._wrong(name, value, f"a number from {low} to {high}")
        return float(value)

    def pair(
        self, name: str, default: int | None = None, *, low: int = 0, high: int = 1 << 10
    ) -> tuple[int, int]:
        """Two integers; one integer stands for both."""
        value = self._values.get(name, default)
        both = (value, value) if type(value) is int else value
        if type(both) not in (tuple, list) or len(both) != 2:
            raise self._wrong(name, value, "one or two integers")
        if not all(type(part) is int and low <= part <= high for part in both):
            raise self._wrong(name, value, f"integers from {low} to {high}")
        return both[0], both[1]

    def steps(self, name: str, *, high: int = 1 << 16) -> int:
        """How many steps a loop makes that the record holds as a range, or as their number."""
        value = self._values.get(name)
        if type(value) is int and 0 <= value <= high:
            return value
        if not isinstance(value, range) or len(value) > high:
            raise self._wrong(name, value, f"a range of up to {high} steps")
        return len(value)

    def only(self, name: str, allowed: Any) -> None:
        """Refuse a record whose value, where present, differs from the one that is supported."""
        if name in self._values and self._values[name] != allowed:
            raise self._wrong(name, self._values[name], repr(allowed))

    @staticmethod
    def _wrong(name: str, value: Any, expected: str) -> ValueError:
        shown = (
            repr(value) if isinstance(value, (bool, int, float, str, type(None))) else type(value).__name__
        )
        return ValueError(f"has {name} = {shown[:60]}; expected {expected}")


BlockType = TypeVar("BlockType", bound=Block)
TorchBuilder = Callable[[Fields, Mapping[str, bool]], nn.Module]

_blocks: dict[str, type[Block]] = {}
_torch_modules: dict[str, TorchBuilder] = {}


def block(
    *class_paths: str,
    children: tuple[str, ...] = (),
    optional: Mapping[str, Callable[[], nn.Module]] | None = None,
    attributes: Mapping[str, Attribute] | None = None,
    family: str = "yolov5",
) -> Callable[[type[BlockType]], type[BlockType]]:
    """Register a class under the paths that pickles call it by, and declare its parts.

    Args:
        class_paths: Such as ``models.common.Conv``; several where a class has moved between releases.
        children: See `Parts`.
        optional: See `Parts`.
        attributes: See `Parts`.
        family: The repository that introduced the block.
    """

    def register(kind: type[BlockType]) -> type[BlockType]:
        kind._parts = Parts(children, optional or {}, attributes or {})
        kind.family = family
        kind.class_paths = class_paths
        for class_path in class_paths:
            _blocks[class_path] = kind
        return kind

    return register


def torch_module(*class_paths: str) -> Callable[[TorchBuilder], TorchBuilder]:
    """Register a function that rebuilds a module of torch from its fields and the tensors it has."""

    def register(build: TorchBuilder) -> TorchBuilder:
        for path in class_paths:
            _torch_modules[path] = build
        return build

    return register


def find_block(class_path: str) -> type[Block] | None:
    """Our class for a path, if it is a block."""
    return _blocks.get(class_path)


def find_torch_module(class_path: str) -> TorchBuilder | None:
    """The function that rebuilds a torch module, if the path is one."""
    return _torch_modules.get(class_path)


def known_blocks() -> list[str]:
    """Sorted class paths of every block and torch module that can be rebuilt."""
    return sorted([*_blocks, *_torch_modules, *CONTAINERS])
