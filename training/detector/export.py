"""From trained weights to the network of the pack, in YuNet's format."""

import os
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper

from .model import CELL, OUTPUTS, Detector, Exported

OPSET = 17


def export(detector: Detector, file: Path) -> None:
    """Writes the ONNX file: any batch, any sides that are multiples of 32, weights stored in half precision."""
    partial = file.with_suffix(".partial")
    torch.onnx.export(
        Exported(detector).eval(), (torch.zeros(1, 3, 64, 64),), str(partial), dynamo=False, opset_version=OPSET,
        input_names=["input"], output_names=OUTPUTS,
        dynamic_axes={"input": {0: "N", 2: "H", 3: "W"},
                      **{name: {0: "N", 1: f"cells_{name.split('_')[1]}"} for name in OUTPUTS}},
    )
    model = onnx.load(partial)
    for output in model.graph.output:  # the tracer does not know how many values a cell has
        output.type.tensor_type.shape.dim[2].dim_value = CELL[output.name.split("_")[0]]
    halve(model)
    onnx.save(model, partial)
    os.replace(partial, file)


def halve(model: onnx.ModelProto) -> None:
    """Stores the large weights as float16 behind a Cast, which a runtime evaluates once, when it loads the file."""
    casts = []
    for weight in model.graph.initializer:
        values = numpy_helper.to_array(weight)
        if values.dtype == np.float32 and values.size > 256:
            stored = f"{weight.name}_half"
            casts.append(helper.make_node("Cast", [stored], [weight.name], to=onnx.TensorProto.FLOAT))
            weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), stored))
    nodes = casts + list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
