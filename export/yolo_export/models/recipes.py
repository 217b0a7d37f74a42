"""How each module name of a network YAML is made, once its inputs' channels are known.

A row of such a file is ``[from, number, module, args]``. The forms of ``args`` are an interface that users'
files rely on; they are those of YOLOv5 and YOLOv5-Lite.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Callable

from torch import nn

from yolo_export.models.conv import Conv, DWConv, Focus
from yolo_export.models.cross import C3x, CrossConv, MixConv
from yolo_export.models.csp import C3, Bottleneck, BottleneckCSP
from yolo_export.models.depthwise import DepthwiseSeparable
from yolo_export.models.efficientnet import EfficientStem, MBConv
from yolo_export.models.ghost import C3Ghost, GhostBottleneck, GhostConv
from yolo_export.models.joining import Add, Concat
from yolo_export.models.lcnet import ConvBnHardswish, LastConv, LCBlock
from yolo_export.models.mobilenet import ConvHardSwish, InvertedResidual
from yolo_export.models.pooling import C3SPP, SPP, SPPF
from yolo_export.models.rearrange import Contract, Expand
from yolo_export.models.repvgg import RepVGGBlock
from yolo_export.models.shufflenet import ConvMaxPool, ShuffleBlock
from yolo_export.models.transformer import C3TR

__all__ = ["Made", "known_modules", "make_module", "output_channels"]


_MAX_NUMBER = 1 << 16
_MAX_LIST = 32
_MAX_SHOWN = 200


@dataclass(frozen=True)
class Recipe:
    """How one module is made.

    Attributes:
        make: Called with input channels, output channels and the other arguments if ``wide``, else with the
            arguments alone.
        wide: Its first argument is the number of output channels, which the width multiple scales.
        stacks: It takes the number of repetitions itself, after the channels.
        joins: It reads several layers.
        channels: Output channels from those of the inputs and the arguments; for what is not ``wide``.
    """

    make: Callable[..., nn.Module]
    wide: bool = False
    stacks: bool = False
    joins: bool = False
    channels: Callable[[Sequence[int], Sequence[Any]], int] = lambda inputs, _: inputs[0]


@dataclass(frozen=True)
class Made:
    """A module and the channels it puts out."""

    module: nn.Module
    channels: int


def _conv2d(
    c1: int,
    c2: int,
    k: Any,
    s: Any = 1,
    p: Any = 0,
    d: Any = 1,
    g: int = 1,
    bias: bool = True,
) -> nn.Module:
    """Not torch's own signature, which goes on with the device: only ``meta`` has no memory."""
    return nn.Conv2d(c1, c2, k, s, p, d, g, bool(bias))


def _max_pool(k: Any, s: Any = None, p: Any = 0, d: Any = 1) -> nn.Module:
    return nn.MaxPool2d(k, s, p, d)


def _conv_transpose(
    c1: int, c2: int, k: int = 1, s: int = 1, p1: int = 0, p2: int = 0, *, groups: int = 1
) -> nn.Module:
    return nn.ConvTranspose2d(c1, c2, k, s, p1, p2, groups=groups)


def _upsample(size: None = None, scale_factor: int = 2, mode: str = "nearest") -> nn.Module:
    if size is not None or mode != "nearest" or not 1 <= scale_factor <= 8:
        raise ValueError(f"has {size}, {scale_factor}, {mode!r}; supported: None, 1 to 8, 'nearest'")
    return nn.Upsample(scale_factor=float(scale_factor), mode="nearest")


def _joined(inputs: Sequence[int], _: Sequence[Any]) -> int:
    return sum(inputs)


def _added(inputs: Sequence[int], _: Sequence[Any]) -> int:
    if len(inputs) != 2 or inputs[0] != inputs[1]:
        raise ValueError(f"adds maps of {list(inputs)} channels; it takes two maps of equal channels")
    return inputs[0]


def _gain(args: Sequence[Any]) -> int:
    gain = args[0] if args else 2
    if type(gain) is not int or not 1 <= gain <= 16:
        raise ValueError(f"has gain {gain!r}; allowed: 1 to 16")
    return gain


def _contracted(inputs: Sequence[int], args: Sequence[Any]) -> int:
    return inputs[0] * _gain(args) ** 2


def _expanded(inputs: Sequence[int], args: Sequence[Any]) -> int:
    if inputs[0] % _gain(args) ** 2:
        raise ValueError(f"cannot expand {inputs[0]} channels by {_gain(args)}")
    return inputs[0] // _gain(args) ** 2


def _mobilenet(
    c1: int, c2: int, hidden: int, kernel: int, stride: int, use_se: int, use_hs: int
) -> nn.Module:
    return InvertedResidual(c1, c2, hidden, kernel, stride, bool(use_se), bool(use_hs))


def _dense(c1: int, c2: int, kernel: int = 1, _dropout: float = 0.2) -> nn.Module:
    return LastConv(c1, c2, kernel)


def _mbconv(
    c1: int,
    c2: int,
    kernel: int,
    stride: int,
    expand_ratio: int,
    _drop_rate: float = 0.0,
    has_se: bool = False,
) -> nn.Module:
    if has_se:
        raise ValueError("asks for squeeze-and-excite, whose width the row does not tell")
    if type(expand_ratio) is not int or expand_ratio < 1:
        raise ValueError(f"has expand_ratio {expand_ratio!r}; allowed: integers from 1")
    return MBConv(c1, c2, kernel, stride, expand_ratio)


def _repvgg(c1: int, c2: int, kernel: int = 3, stride: int = 1) -> nn.Module:
    return RepVGGBlock(c1, c2, kernel, stride)


def _stem(c1: int, c2: int, act: str = "ReLU6") -> nn.Module:
    if act != "ReLU6":
        raise ValueError(f"has activation {act!r}; the only one is 'ReLU6'")
    return EfficientStem(c1, c2)


_RECIPES: dict[str, Recipe] = {
    "ADD": Recipe(Add, joins=True, channels=_added),
    "Bottleneck": Recipe(Bottleneck, wide=True),
    "BottleneckCSP": Recipe(BottleneckCSP, wide=True, stacks=True),
    "C3": Recipe(C3, wide=True, stacks=True),
    "C3Ghost": Recipe(C3Ghost, wide=True, stacks=True),
    "C3SPP": Recipe(C3SPP, wide=True),
    "C3TR": Recipe(C3TR, wide=True, stacks=True),
    "C3x": Recipe(C3x, wide=True, stacks=True),
    "CBH": Recipe(ConvBnHardswish, wide=True),
    "Concat": Recipe(Concat, joins=True, channels=_joined),
    "Contract": Recipe(Contract, channels=_contracted),
    "Conv": Recipe(Conv, wide=True),
    "CrossConv": Recipe(CrossConv, wide=True),
    "DWConv": Recipe(DWConv, wide=True),
    "DWConvTranspose2d": Recipe(
        lambda c1, c2, *args: _conv_transpose(c1, c2, *args, groups=math.gcd(c1, c2)), wide=True
    ),
    "DWConvblock": Recipe(DepthwiseSeparable, wide=True),
    "Dense": Recipe(_dense, wide=True),
    "Expand": Recipe(Expand, channels=_expanded),
    "Focus": Recipe(Focus, wide=True),
    "GhostBottleneck": Recipe(GhostBottleneck, wide=True),
    "GhostConv": Recipe(GhostConv, wide=True),
    "LC_Block": Recipe(LCBlock, wide=True),
    "MBConvBlock": Recipe(_mbconv, wide=True),
    "MixConv2d": Recipe(MixConv, wide=True),
    "MobileNet_Block": Recipe(_mobilenet, wide=True),
    "RepVGGBlock": Recipe(_repvgg, wide=True),
    "SPP": Recipe(SPP, wide=True),
    "SPPF": Recipe(SPPF, wide=True),
    "Shuffle_Block": Recipe(ShuffleBlock, wide=True),
    "conv_bn_hswish": Recipe(ConvHardSwish, wide=True),
    "conv_bn_relu_maxpool": Recipe(ConvMaxPool, wide=True),
    "nn.BatchNorm2d": Recipe(nn.BatchNorm2d, channels=lambda inputs, _: inputs[0]),
    "nn.Conv2d": Recipe(_conv2d, wide=True),
    "nn.ConvTranspose2d": Recipe(_conv_transpose, wide=True),
    "nn.Identity": Recipe(nn.Identity),
    "nn.MaxPool2d": Recipe(_max_pool),
    "nn.Upsample": Recipe(_upsample),
    "stem": Recipe(_stem, wide=True),
}


def known_modules() -> list[str]:
    """Sorted module names that a YAML file may use, besides ``Detect``."""
    return sorted(_RECIPES)


def output_channels(name: str, inputs: Sequence[int], args: Sequence[Any]) -> int | None:
    """Output channels that a row asks for, before they are scaled; None where the inputs decide."""
    if not _recipe(name).wide:
        return None
    if not args or type(args[0]) is not int or args[0] < 1:
        raise ValueError(f"has args {_shown(args)}; the first one must be its number of output channels")
    return int(args[0])


def make_module(
    name: str, inputs: Sequence[int], args: Sequence[Any], repeats: int, scaled: int | None
) -> Made:
    """Make the module of one row.

    Args:
        name: As in the file.
        inputs: Channels of each layer it reads.
        args: Its arguments as in the file, names already replaced by values.
        repeats: How often; modules that do not stack themselves are put in a row.
        scaled: Output channels after scaling, for the modules whose first argument that is.

    Raises:
        ValueError: The name is unknown, or the arguments do not fit.
    """
    recipe = _recipe(name)
    if not all(_is_plain(arg) for arg in (args if scaled is None else args[1:])):
        raise ValueError(
            f"has args {_shown(args)}; allowed are words, numbers up to {_MAX_NUMBER}, and lists of up to "
            f"{_MAX_LIST} numbers"
        )
    if len(inputs) > 1 and not recipe.joins:
        raise ValueError(f"reads {len(inputs)} layers; it takes one")
    given = list(args)
    if name == "nn.BatchNorm2d":
        given = [inputs[0]]
    if scaled is not None:
        given = [inputs[0], scaled, *given[1:]]
        if recipe.stacks:
            given.insert(2, repeats)
            repeats = 1
    try:
        inspect.signature(recipe.make).bind(*given)
    except TypeError as error:
        raise ValueError(f"has args {_shown(args)}: {error}") from error
    channels = scaled if scaled is not None else recipe.channels(inputs, given)
    try:
        made = [recipe.make(*given) for _ in range(repeats)]
    except (TypeError, ValueError, RuntimeError, ArithmeticError, LookupError, AttributeError) as error:
        reason = str(error).splitlines() or [type(error).__name__]
        raise ValueError(f"has args {_shown(args)}: {reason[0][:_MAX_SHOWN]}") from error
    return Made(made[0] if repeats == 1 else nn.Sequential(*made), channels)


def _recipe(name: str) -> Recipe:
    if name not in _RECIPES:
        raise ValueError(f"is unknown; known modules: Detect, {', '.join(known_modules())}")
    return _RECIPES[name]


def _is_plain(arg: Any) -> bool:
    if type(arg) in (int, float):
        return bool(-_MAX_NUMBER <= arg <= _MAX_NUMBER)  # Which NaN is not.
    if type(arg) is list:
        return len(arg) <= _MAX_LIST and all(type(each) is not list and _is_plain(each) for each in arg)
    return arg is None or isinstance(arg, (bool, str, nn.Module))


def _shown(args: Sequence[Any]) -> str:
    text = ascii(list(args))
    return text if len(text) <= _MAX_SHOWN else f"{text[: _MAX_SHOWN - 3]}..."
