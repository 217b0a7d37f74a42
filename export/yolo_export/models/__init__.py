"""The networks of YOLOv5 and YOLOv5-Lite, written for this project. Importing the package imports torch."""

from __future__ import annotations

from yolo_export.models import torch_modules as _torch_modules  # noqa: F401  (fills the registry)
from yolo_export.models.conv import Conv, DWConv, Focus, FunnelReLU
from yolo_export.models.cross import C3x, CrossConv, MixConv
from yolo_export.models.csp import C3, Bottleneck, BottleneckCSP, C3Sum
from yolo_export.models.depthwise import DepthwiseSeparable
from yolo_export.models.description import describe_network
from yolo_export.models.detect import Detect
from yolo_export.models.efficientnet import EfficientStem, MBConv, MBExcite
from yolo_export.models.esnet import ESBlock, ESExcite
from yolo_export.models.ghost import C3Ghost, GhostBottleneck, GhostConv
from yolo_export.models.graph import MAX_MODULES, NETWORKS, Network
from yolo_export.models.joining import Add, Concat, Sum
from yolo_export.models.lcnet import ConvBnHardswish, ConvExcite, LastConv, LCBlock
from yolo_export.models.mobilenet import (
    ConvHardSwish,
    HardSigmoid,
    HardSwish,
    InvertedResidual,
    SqueezeExcite,
)
from yolo_export.models.pooling import C3SPP, SPP, SPPF
from yolo_export.models.rearrange import Contract, Expand
from yolo_export.models.registry import (
    CONTAINERS,
    Attribute,
    Block,
    Fields,
    find_block,
    find_torch_module,
    known_blocks,
)
from yolo_export.models.repvgg import Absent, RepVGGBlock
from yolo_export.models.shufflenet import ChannelShuffle, ConvMaxPool, ShuffleBlock
from yolo_export.models.transformer import C3TR, Attention, TransformerBlock, TransformerLayer

__all__ = [
    "C3",
    "C3SPP",
    "C3TR",
    "CONTAINERS",
    "MAX_MODULES",
    "NETWORKS",
    "SPP",
    "SPPF",
    "Absent",
    "Add",
    "Attention",
    "Attribute",
    "Block",
    "Bottleneck",
    "BottleneckCSP",
    "C3Ghost",
    "C3Sum",
    "C3x",
    "ChannelShuffle",
    "Concat",
    "Contract",
    "Conv",
    "ConvBnHardswish",
    "ConvExcite",
    "ConvHardSwish",
    "ConvMaxPool",
    "CrossConv",
    "DWConv",
    "DepthwiseSeparable",
    "Detect",
    "ESBlock",
    "ESExcite",
    "EfficientStem",
    "Expand",
    "Fields",
    "Focus",
    "FunnelReLU",
    "GhostBottleneck",
    "GhostConv",
    "HardSigmoid",
    "HardSwish",
    "InvertedResidual",
    "LCBlock",
    "LastConv",
    "MBConv",
    "MBExcite",
    "MixConv",
    "Network",
    "RepVGGBlock",
    "ShuffleBlock",
    "SqueezeExcite",
    "Sum",
    "TransformerBlock",
    "TransformerLayer",
    "describe_network",
    "find_block",
    "find_torch_module",
    "known_blocks",
]
