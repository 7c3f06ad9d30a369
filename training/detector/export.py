"""From trained weights to the network of the pack, in YuNet's format."""

import os
from pathlib import Path

import onnx
import torch

from ..common.network import halve
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
