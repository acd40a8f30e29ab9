"""Stores SFace's weights with 8 bits each: `python -m tools.pack_descriptor face_recognition_sface_2021dec.onnx FILE`

Needs the package onnx. Of each convolution and of the last layer each output channel gets one factor, the one with the
smallest squared error of 17; OpenCV multiplies it out again when it loads the file. Everything else stays as it is.
"""

import hashlib
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx  # type: ignore[import-not-found]
from onnx import helper, numpy_helper

SOURCE = "0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79"  # in github.com/opencv/opencv_zoo
_LARGE = 2000  # numbers, from which a tensor is worth packing


def packed(weights: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Return whole numbers and the factor of each output channel."""
    rows = weights.reshape(len(weights), -1)
    whole = np.maximum(np.abs(rows).max(axis=1), 1e-12) / 127
    tried = [whole * part for part in np.linspace(0.6, 1, 17)]
    rounded = [np.clip(np.round(rows / each[:, None]), -127, 127) for each in tried]
    errors = [((made * each[:, None] - rows) ** 2).sum(axis=1) for made, each in zip(rounded, tried, strict=True)]
    best = np.argmin(errors, axis=0)
    at = np.arange(len(rows))
    return np.array(rounded)[best, at].astype(np.int8).reshape(weights.shape), np.array(tried)[best, at].astype("f4")


def main(source: str, target: str) -> None:
    """Pack a file. The checksum of the result belongs into classroom/faces/descriptors.py."""
    content = Path(source).read_bytes()
    if hashlib.sha256(content).hexdigest() != SOURCE:
        sys.exit(f"{source} is another file")
    graph = onnx.load_from_string(content).graph
    nodes, tensors = [], []
    for tensor in graph.initializer:
        weights = numpy_helper.to_array(tensor)
        if weights.size <= _LARGE or weights.ndim < 2:
            tensors.append(tensor)
            continue
        names = [f"{tensor.name}_{part}" for part in ("q", "s", "z")]
        numbers, factors = packed(weights)
        parts = (numbers, factors, np.zeros(len(factors), np.int8))
        tensors += [numpy_helper.from_array(part, name) for part, name in zip(parts, names, strict=True)]
        nodes.append(helper.make_node("DequantizeLinear", names, [tensor.name], axis=0))
    for node in graph.node:  # attributes that the newer format has no longer
        for attribute in [each for each in node.attribute if each.name in ("spatial", "ratio", "is_test")]:
            node.attribute.remove(attribute)
    inputs = [each for each in graph.input if each.name == "data"]
    made = helper.make_graph([*nodes, *graph.node], "sface", inputs, list(graph.output), tensors)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    Path(target).write_bytes(model.SerializeToString())
    sys.stdout.write(f"{hashlib.sha256(Path(target).read_bytes()).hexdigest()}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
