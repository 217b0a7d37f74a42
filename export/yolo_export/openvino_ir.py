"""OpenVINO's graphs without what only costs bytes and time to load."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from yolo_export.errors import ConversionError

__all__ = ["compact_ir", "read_network", "save_network"]

_NAMED = ("Parameter", "Result")
"""Kinds of layers whose names, and those of what they read or write, are how a network is used."""

_LARGEST_HALF = 65504.0
"""A bias beyond it may stay float32 where others are stored in half precision."""


def read_network(openvino: Any, model: bytes) -> Any:
    """An ONNX file as an ``openvino.Model``, with constants where OpenVINO leaves their computation.

    Its ONNX reader brings biases and depthwise weights into shape by operators that compute the shape from
    that of the map beside, which are more than half of a network with open height and width, and keep
    NNCF from quantising depthwise weights.

    Args:
        openvino: The package.
        model: An ONNX file.

    Raises:
        ConversionError: OpenVINO refuses the file.
    """
    try:
        # What openvino.convert_model() does for ONNX, without its detour over a file.
        network = openvino.Core().read_model(io.BytesIO(model))
    except RuntimeError as error:
        raise ConversionError(f"OpenVINO cannot convert the network: {error}") from error
    for node in network.get_ordered_ops():
        if node.get_type_name() != "Reshape" or node.input_value(0).get_node().get_type_name() != "Constant":
            continue
        shape = node.get_output_partial_shape(0)
        if shape.is_static:
            values = node.input_value(0).get_node().data.reshape(list(shape.to_shape()))
            constant = openvino.op.Constant(values)
            constant.set_friendly_name(node.get_friendly_name())
            node.output(0).replace(constant.output(0))
    return network


def save_network(openvino: Any, network: Any, path: Path, *, half: bool) -> None:
    """Write a network, ``NAME.xml`` and ``NAME.bin``.

    Args:
        openvino: The package.
        network: ``openvino.Model``; its biases become parts of one constant.
        path: Of the XML file.
        half: Store float32 weights as float16.

    Raises:
        ConversionError: OpenVINO cannot write it.
    """
    _join_biases(openvino, network)
    try:
        openvino.save_model(network, str(path), compress_to_fp16=half)
    except RuntimeError as error:
        raise ConversionError(f"OpenVINO cannot write the network: {error}") from error
    path.write_text(compact_ir(path.read_text(encoding="utf-8")), encoding="utf-8")


def _join_biases(openvino: Any, network: Any) -> None:
    """Make all biases one constant that is split: each alone takes more XML than it has numbers.

    OpenVINO takes it apart when it compiles the network, and computes as before. The limits of FakeQuantize
    stay alone: split from one constant they keep the CPU from computing in 8 bits.
    """
    biases = [
        node
        for node in network.get_ordered_ops()
        if node.get_type_name() == "Constant"
        and node.get_element_type() == openvino.Type.f32
        and node.data.shape == (1, node.data.size, 1, 1)
        and np.abs(node.data).max(initial=0.0) <= _LARGEST_HALF
        and all(_adds_to_convolution(port.get_node()) for port in node.output(0).get_target_inputs())
    ]
    if len(biases) < 2:
        return
    # Releases up to 2024 have it in another place.
    ops = openvino.opset8 if hasattr(openvino, "opset8") else openvino.runtime.opset8
    parts = ops.variadic_split(
        ops.constant(np.concatenate([node.data for node in biases], axis=1)),
        ops.constant(np.int64(1)),
        ops.constant(np.array([node.data.size for node in biases], np.int64)),
    )
    for number, node in enumerate(biases):
        node.output(0).replace(parts.output(number))


def _adds_to_convolution(node: Any) -> bool:
    """Whether an operator adds a constant to what a convolution computes."""
    return node.get_type_name() == "Add" and any(
        source.get_node().get_type_name() in ("Convolution", "GroupConvolution")
        for source in node.input_values()
    )


def compact_ir(text: str) -> str:
    """The XML of a network without what OpenVINO computes when it reads it, or never looks at.

    Shapes of maps inside of the network, constants that are there twice, layer and tensor names other than
    those of inputs and outputs, notes on how it was made, white space.
    """
    network = ElementTree.fromstring(text)
    for notes in network.findall("rt_info"):
        network.remove(notes)
    _share_constants(network)
    used = _used_ports(network)
    for layer in network.iterfind("layers/layer"):
        number = layer.get("id", "")
        if layer.get("type") not in _NAMED:
            layer.set("name", number)
        for notes in layer.findall("rt_info"):
            layer.remove(notes)
        for port in layer.iterfind("*/port"):
            for dimension in port.findall("dim"):
                port.remove(dimension)
            if (number, port.get("id", "")) not in used:
                port.attrib.pop("names", None)
        for port in layer.iterfind("input/port"):
            port.attrib.pop("precision", None)
    for element in network.iter():
        if element.text and not element.text.strip():
            element.text = None
        element.tail = None
    return ElementTree.tostring(network, encoding="unicode").replace(" />", "/>")


def _share_constants(network: ElementTree.Element) -> None:
    """Leave one of each constant; those of equal values are at the same place of the file of weights."""
    layers = network.find("layers")
    first: dict[tuple[tuple[str, str], ...], str] = {}
    instead: dict[str, str] = {}
    for layer in [] if layers is None else list(layers):
        data = layer.find("data")
        if layers is None or layer.get("type") != "Const" or data is None:
            continue
        number = layer.get("id", "")
        kept = first.setdefault(tuple(sorted(data.attrib.items())), number)
        if kept != number:
            instead[number] = kept
            layers.remove(layer)
    for edge in network.iterfind("edges/edge"):
        start = edge.get("from-layer", "")
        edge.set("from-layer", instead.get(start, start))


def _used_ports(network: ElementTree.Element) -> set[tuple[str, str]]:
    """What inputs write and outputs read: number of the layer and of its port."""
    layers = list(network.iterfind("layers/layer"))
    results = {layer.get("id") for layer in layers if layer.get("type") == "Result"}
    ports = {
        (edge.get("from-layer", ""), edge.get("from-port", ""))
        for edge in network.iterfind("edges/edge")
        if edge.get("to-layer") in results
    }
    for layer in layers:
        if layer.get("type") == "Parameter":
            ports.update((layer.get("id", ""), port.get("id", "")) for port in layer.iterfind("output/port"))
    return ports
