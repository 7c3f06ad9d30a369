"""Weights of an exported network as the start of a training. The file's layers contain their normalisations, so these are set
anew: on given pictures, their output is the file's."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn

Layer = tuple[torch.Tensor, torch.Tensor]


def layers(file: Path) -> list[Layer]:
    """Weight and bias of each convolution and matrix of the file, in its order."""
    graph = onnx.load(file).graph
    values = {i.name: torch.from_numpy(numpy_helper.to_array(i).astype(np.float32)) for i in graph.initializer}
    values.update({n.output[0]: values[n.input[0]] for n in graph.node if n.op_type in ("Cast", "Identity") and n.input[0] in values})
    return [(values[n.input[1]], values[n.input[2]]) for n in graph.node if n.op_type in ("Conv", "Gemm")]


@torch.no_grad()
def calibrate(student: nn.Module, offsets: dict[nn.Module, torch.Tensor], look: Callable[[], object]) -> None:
    """Sets the normalisations by what look, which runs the student once, shows them. One with an offset adds it, and changes nothing
    else; one without keeps its weight and bias."""
    def measure(norm: nn.BatchNorm2d, inputs) -> None:
        variance, mean = torch.var_mean(inputs[0], (0, 2, 3), correction=0)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        if norm in offsets:
            norm.weight.copy_((variance + norm.eps).sqrt())
            norm.bias.copy_(mean + offsets[norm])

    hooks = [m.register_forward_pre_hook(measure) for m in student.modules() if isinstance(m, nn.BatchNorm2d)]
    student.eval()
    look()
    for hook in hooks:
        hook.remove()


def start(student: nn.Module, file: Path, pictures: torch.Tensor) -> None:
    """Gives student, whose modules are defined in the order in which they run, the weights of a file of the same network."""
    found, offsets, bias = layers(file), {}, None
    for m in student.modules():
        if isinstance(m, (nn.Conv2d, nn.Linear)):
            weight, bias = found.pop(0)
            if weight.shape != m.weight.shape:
                raise ValueError(f"{file} has a layer of {list(weight.shape)}, not {list(m.weight.shape)}; it is another network's")
            m.weight.data = weight.clone()
            if m.bias is not None:
                m.bias.data = bias.clone()
        elif isinstance(m, nn.BatchNorm2d):
            offsets[m] = bias
    if found:
        raise ValueError(f"{file} has {len(found)} layers more than the network; it is another one's")
    calibrate(student, offsets, lambda: student(pictures))
