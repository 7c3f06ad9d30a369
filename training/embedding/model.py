"""The student network, and the teacher as a torch module."""

from pathlib import Path

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import numpy_helper
from torch import nn

from ..common.layers import Residual, conv

DIMENSIONS = 128
SIZE = 112

# The pack's manifest states the same: value = (pixel / 255 - MEAN) / STD, RGB.
MEAN = STD = 0.5


def shrink(side: int) -> torch.Tensor:
    """The matrix [side, SIZE] that shrinks one axis of a picture, bilinear with antialiasing."""
    return F.interpolate(torch.eye(SIZE)[None, None], (side, SIZE), mode="bilinear", antialias=True)[0, 0]


class Student(nn.Module):
    """A small residual network of dense 3x3 convolutions, which train several times faster on a processor than depthwise
    ones. Input [n, 3, 112, 112], values -1..1; output [n, 128], not normalised. Inside, the picture is shrunk to side, a
    multiple of 16: 80 takes half the time of 112, in training and in use."""

    def __init__(self, side: int, channels=(16, 32, 96, 224), blocks=(1, 2, 1), head: int = 512):
        super().__init__()
        self.register_buffer("shrink", shrink(side), persistent=False)
        self.stem = conv(3, channels[0], stride=2)
        self.stages = nn.ModuleList(nn.Sequential(conv(i, o, stride=2), *[Residual(o) for _ in range(n)])
                                    for i, o, n in zip(channels, channels[1:], blocks))
        self.head = conv(channels[-1], head, kernel=1)
        # A learnt weight for each place of the face; 7x7 at every input side, so a run can be resumed with another side.
        self.pool = nn.Conv2d(head, head, 7, groups=head, bias=False)
        self.pool_norm = nn.BatchNorm2d(head)
        self.vector = nn.Linear(head, DIMENSIONS)

    def forward(self, x):
        """The mean of the picture's vector and its mirror image's, which is a truer one for little: at side 80 both together
        take less time than the teacher."""
        return sum(self.look(small)[0] for small in self.views(x)) / 2

    def views(self, x):
        """The picture shrunk, and the same mirrored."""
        rows = self.shrink @ x
        return rows @ self.shrink.T, rows @ self.shrink.flip(0).T

    def look(self, x):
        """The vector of a picture that is shrunk already, and the maps at a quarter, an eighth and a sixteenth of it."""
        early = self.stages[0](self.stem(x))
        middle = self.stages[1](early)
        late = self.head(self.stages[2](middle))
        # As a product, since the gradient of a convolution with so large a kernel is slow.
        pooled = (late * self.places(late.shape[-1])).sum((2, 3), keepdim=True)
        return self.vector(self.pool_norm(pooled).flatten(1)), early, middle, late

    def places(self, side: int) -> torch.Tensor:
        """The pool's kernel for a map of this side, [1, head, side, side]."""
        kernel = self.pool.weight.transpose(0, 1)
        if side == kernel.shape[-1]:
            return kernel
        return F.interpolate(kernel, (side, side), mode="bilinear") * (kernel[0, 0].numel() / side ** 2)


class Adapters(nn.Module):
    """Maps of the student in the teacher's channels; used in training alone."""

    def __init__(self, channels=(16, 32, 96, 224), head: int = 512):
        super().__init__()
        self.early, self.middle = nn.Conv2d(channels[1], 64, 1), nn.Conv2d(channels[2], 128, 1)
        # The last map has the teacher's channels already; only its scale is free.
        self.gain, self.offset = nn.Parameter(torch.ones(head, 1, 1)), nn.Parameter(torch.zeros(head, 1, 1))

    def forward(self, early, middle, late):
        return self.early(F.avg_pool2d(early, 2)), self.middle(middle), late.float() * self.gain + self.offset


class Teacher(nn.Module):
    """MobileFaceNet of the open pack (Apache-2.0) as torch operators, in bfloat16: on a processor about twice as fast as the
    file in ONNX Runtime, cosine to it 0.999. Also gives three of its inner maps, which teach the student's stages."""

    HINTS = ("/features/features.4/Add_output_0",    # [64, 28, 28], here averaged to 14x14
             "/features/features.11/Add_output_0",   # [128, 14, 14]
             "/conv2/conv2.2/Clip_output_0")         # [512, 7, 7]

    def __init__(self, models: Path):
        super().__init__()
        graph = onnx.load(models / "embedding" / "mobilefacenet.onnx").graph
        values = {i.name: torch.from_numpy(numpy_helper.to_array(i).copy()) for i in graph.initializer}
        self.steps, self.input, self.output = [], graph.input[0].name, graph.output[0].name
        for node in graph.node:
            conv = None
            if node.op_type == "Conv":
                a = {x.name: onnx.helper.get_attribute_value(x) for x in node.attribute}
                weight = values[node.input[1]]
                conv = nn.Conv2d(weight.shape[1] * a["group"], weight.shape[0], a["kernel_shape"], a["strides"],
                                 a["pads"][:2], groups=a["group"], bias=len(node.input) > 2)
                conv.weight.data = weight
                if conv.bias is not None:
                    conv.bias.data = values[node.input[2]]
                self.add_module(f"conv{len(self.steps)}", conv)
            elif node.op_type not in ("Clip", "Add", "Relu", "Reshape", "Constant"):
                raise ValueError(f"the teacher's file has an operator {node.op_type} that this reader does not know")
            if node.op_type != "Constant":
                self.steps.append((node.op_type, conv, node.input, node.output[0]))
        self.to(torch.bfloat16).to(memory_format=torch.channels_last).eval()

    @torch.inference_mode()
    def look(self, rgb: np.ndarray) -> list[np.ndarray]:
        """Vectors [n, 128] and the maps [n, 64, 14, 14], [n, 128, 14, 14], [n, 512, 7, 7] of RGB uint8 [n, 112, 112, 3]."""
        device = next(self.parameters()).device
        x = torch.from_numpy(rgb).to(device).permute(0, 3, 1, 2).float()
        x = (x / 255 - x.new_tensor([.485, .456, .406]).view(3, 1, 1)) / x.new_tensor([.229, .224, .225]).view(3, 1, 1)
        v = {self.input: x.bfloat16().contiguous(memory_format=torch.channels_last)}
        for kind, conv, inputs, output in self.steps:
            a = v[inputs[0]]
            v[output] = (conv(a) if kind == "Conv" else F.relu6(a) if kind == "Clip" else a + v[inputs[1]] if kind == "Add"
                         else F.relu(a) if kind == "Relu" else a.flatten(1))
        early, middle, late = (v[h].float() for h in self.HINTS)
        return [t.cpu().numpy() for t in (v[self.output].float(), F.avg_pool2d(early, 2), middle, late)]
