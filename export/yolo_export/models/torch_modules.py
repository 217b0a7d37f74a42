"""Modules of torch, rebuilt through their public constructors from checked values.

They are made on the ``meta`` device, without memory: the weights follow once the whole network is known to
fit. Activations are never in-place, since rewrites of the graph may share a tensor.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from yolo_export.models.registry import Fields, torch_module

__all__: list[str] = []

_MAX_CHANNELS = 1 << 16


@torch_module("torch.nn.modules.conv.Conv2d")
def _conv2d(fields: Fields, tensors: Mapping[str, bool]) -> nn.Module:
    fields.only("padding_mode", "zeros")
    fields.only("transposed", False)
    return nn.Conv2d(
        fields.integer("in_channels", low=1, high=_MAX_CHANNELS),
        fields.integer("out_channels", low=1, high=_MAX_CHANNELS),
        fields.pair("kernel_size", low=1, high=64),
        stride=fields.pair("stride", 1, low=1, high=64),
        padding=fields.pair("padding", 0),
        dilation=fields.pair("dilation", 1, low=1, high=64),
        groups=fields.integer("groups", 1, low=1, high=_MAX_CHANNELS),
        bias=tensors.get("bias", False),
        device="meta",
    )


@torch_module("torch.nn.modules.conv.ConvTranspose2d", "models.common.DWConvTranspose2d")
def _conv_transpose2d(fields: Fields, tensors: Mapping[str, bool]) -> nn.Module:
    fields.only("padding_mode", "zeros")
    fields.only("transposed", True)
    return nn.ConvTranspose2d(
        fields.integer("in_channels", low=1, high=_MAX_CHANNELS),
        fields.integer("out_channels", low=1, high=_MAX_CHANNELS),
        fields.pair("kernel_size", low=1, high=64),
        stride=fields.pair("stride", 1, low=1, high=64),
        padding=fields.pair("padding", 0),
        output_padding=fields.pair("output_padding", 0, high=64),
        dilation=fields.pair("dilation", 1, low=1, high=64),
        groups=fields.integer("groups", 1, low=1, high=_MAX_CHANNELS),
        bias=tensors.get("bias", False),
        device="meta",
    )


@torch_module(
    "torch.nn.modules.batchnorm.BatchNorm2d",
    # The same numbers, averaged over several devices during training.
    "torch.nn.modules.batchnorm.SyncBatchNorm",
)
def _batch_norm2d(fields: Fields, tensors: Mapping[str, bool]) -> nn.Module:
    fields.only("track_running_stats", True)
    return nn.BatchNorm2d(
        fields.integer("num_features", low=1, high=_MAX_CHANNELS),
        eps=fields.number("eps", 1e-5, low=0.0, high=1.0),
        affine=tensors.get("weight", False),
        device="meta",
    )


@torch_module(
    "torch.nn.modules.linear.Linear",
    # Inside attention; the second name is that of torch before 1.7.
    "torch.nn.modules.linear.NonDynamicallyQuantizableLinear",
    "torch.nn.modules.linear._LinearWithBias",
)
def _linear(fields: Fields, tensors: Mapping[str, bool]) -> nn.Module:
    return nn.Linear(
        fields.integer("in_features", low=1, high=_MAX_CHANNELS),
        fields.integer("out_features", low=1, high=_MAX_CHANNELS),
        bias=tensors.get("bias", False),
        device="meta",
    )


@torch_module("torch.nn.modules.pooling.MaxPool2d")
def _max_pool2d(fields: Fields, _: Mapping[str, bool]) -> nn.Module:
    fields.only("return_indices", False)
    return nn.MaxPool2d(
        fields.pair("kernel_size", low=1, high=64),
        stride=fields.pair("stride", low=1, high=64),
        padding=fields.pair("padding", 0, high=32),
        dilation=fields.pair("dilation", 1, low=1, high=64),
        ceil_mode=fields.flag("ceil_mode", False),
    )


@torch_module("torch.nn.modules.pooling.AdaptiveAvgPool2d")
def _adaptive_avg_pool2d(fields: Fields, _: Mapping[str, bool]) -> nn.Module:
    return nn.AdaptiveAvgPool2d(fields.pair("output_size", low=1))


@torch_module("torch.nn.modules.upsampling.Upsample")
def _upsample(fields: Fields, _: Mapping[str, bool]) -> nn.Module:
    fields.only("mode", "nearest")
    fields.only("size", None)
    return nn.Upsample(scale_factor=fields.number("scale_factor", low=1.0, high=8.0), mode="nearest")


@torch_module("torch.nn.modules.activation.LeakyReLU")
def _leaky_relu(fields: Fields, _: Mapping[str, bool]) -> nn.Module:
    return nn.LeakyReLU(fields.number("negative_slope", 0.01, low=0.0, high=1.0))


@torch_module("torch.nn.modules.activation.ReLU6")
def _relu6(fields: Fields, _: Mapping[str, bool]) -> nn.Module:
    fields.only("min_val", 0.0)
    fields.only("max_val", 6.0)
    return nn.ReLU6()


@torch_module("torch.nn.modules.activation.ReLU")
def _relu(_: Fields, __: Mapping[str, bool]) -> nn.Module:
    return nn.ReLU()


@torch_module(
    "torch.nn.modules.activation.SiLU",
    # Written out where torch had none yet, or to save memory during training.
    "utils.activations.MemoryEfficientSwish",
    "utils.activations.SiLU",
    "utils.activations.Swish",
)
def _silu(_: Fields, __: Mapping[str, bool]) -> nn.Module:
    return nn.SiLU()


@torch_module("torch.nn.modules.activation.Hardswish", "utils.activations.Hardswish")
def _hardswish(_: Fields, __: Mapping[str, bool]) -> nn.Module:
    return nn.Hardswish()


@torch_module("torch.nn.modules.activation.Hardsigmoid")
def _hardsigmoid(_: Fields, __: Mapping[str, bool]) -> nn.Module:
    return nn.Hardsigmoid()


@torch_module(
    "torch.nn.modules.activation.Mish", "utils.activations.MemoryEfficientMish", "utils.activations.Mish"
)
def _mish(_: Fields, __: Mapping[str, bool]) -> nn.Module:
    return nn.Mish()


@torch_module("torch.nn.modules.activation.Sigmoid")
def _sigmoid(_: Fields, __: Mapping[str, bool]) -> nn.Module:
    return nn.Sigmoid()


@torch_module(
    "torch.nn.modules.linear.Identity",
    # Dropout passes its input through once training is over.
    "torch.nn.modules.dropout.Dropout",
)
def _identity(_: Fields, __: Mapping[str, bool]) -> nn.Module:
    return nn.Identity()
