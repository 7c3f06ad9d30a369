"""The student network, and the teacher as a torch module."""

from pathlib import Path

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import numpy_helper
from torch import nn

from ..common import warm
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
        self.second = nn.Linear(head, DIMENSIONS)  # the second teacher's vector; used in training alone

    def forward(self, x):
        """The mean of the picture's vector and its mirror image's, which is a truer one for little: at side 80 both together
        take less time than the teacher."""
        return sum(self.look(small)[0] for small in self.views(x)) / 2

    def views(self, x):
        """The picture shrunk, and the same mirrored."""
        rows = self.shrink @ x
        return rows @ self.shrink.T, rows @ self.shrink.flip(0).T

    def look(self, x):
        """Both vectors of a picture that is shrunk already, and the maps at a quarter, an eighth and a sixteenth of it."""
        early = self.stages[0](self.stem(x))
        middle = self.stages[1](early)
        late = self.head(self.stages[2](middle))
        # As a product, since the gradient of a convolution with so large a kernel is slow.
        pooled = (late * self.places(late.shape[-1])).sum((2, 3), keepdim=True)
        pooled = self.pool_norm(pooled).flatten(1)
        return self.vector(pooled), self.second(pooled), early, middle, late

    def places(self, side: int) -> torch.Tensor:
        """The pool's kernel for a map of this side, [1, head, side, side]."""
        kernel = self.pool.weight.transpose(0, 1)
        if side == kernel.shape[-1]:
            return kernel
        return F.interpolate(kernel, (side, side), mode="bilinear") * (kernel[0, 0].numel() / side ** 2)


def warm_start(student: Student, file: Path, pictures: torch.Tensor) -> None:
    """Gives student the weights of an exported one, which may have fewer blocks; more blocks start as identities. The
    pictures are values as those of training."""
    layers = warm.layers(file)
    layers = layers[:len(layers) // 2]  # the file looks at a picture and at its mirror image with the same ones
    student.vector.weight.data, student.vector.bias.data = layers.pop()
    (kernel, offset), pool = layers.pop(), student.pool.weight.shape[-1]
    # The 7x7 kernel, least in its norm, of which places makes the file's.
    axis = F.interpolate(torch.eye(pool)[None, None], (kernel.shape[-1], pool), mode="bilinear")[0, 0]
    up = torch.linalg.pinv(axis)
    student.pool.weight.data = up @ kernel @ up.T * (kernel.shape[-1] / pool) ** 2
    offsets = {student.pool_norm: offset}

    def take(part: nn.Sequential) -> None:
        part[0].weight.data, offsets[part[1]] = layers.pop(0)

    take(student.stem)
    for stage in student.stages:
        take(stage[0])
        for block in stage[1:]:
            if layers[0][0].shape[0] == layers[0][0].shape[1]:
                take(block.a)
                take(block.b)
            else:
                nn.init.zeros_(block.b[1].weight)
    take(student.head)
    if layers:
        raise ValueError(f"{file} has {len(layers)} layers more than the network; it is another one's")

    warm.calibrate(student, offsets, lambda: student.look(student.views(pictures)[0]))


class Adapters(nn.Module):
    """Maps of the student in the teacher's channels; used in training alone."""

    def __init__(self, channels=(16, 32, 96, 224), head: int = 512):
        super().__init__()
        self.early, self.middle = nn.Conv2d(channels[1], 64, 1), nn.Conv2d(channels[2], 128, 1)
        # The last map has the teacher's channels already; only its scale is free.
        self.gain, self.offset = nn.Parameter(torch.ones(head, 1, 1)), nn.Parameter(torch.zeros(head, 1, 1))

    def forward(self, early, middle, late):
        return self.early(F.avg_pool2d(early, 2)), self.middle(middle), late.float() * self.gain + self.offset


class _Graph(nn.Module):
    """An ONNX file as torch operators, in bfloat16: on a processor about twice as fast as in ONNX Runtime, cosine to it 0.999.
    Weights that the file stores quantised are unfolded, normalisations are folded into the layers before them."""

    def __init__(self, file: Path):
        super().__init__()
        graph = onnx.load(file).graph
        values = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
        self.input, self.output = next(i.name for i in graph.input if i.name not in values), graph.output[0].name
        self.steps = []
        made = {}  # by the name of its output, the layer that a normalisation may still be folded into
        for node in graph.node:
            a = {x.name: onnx.helper.get_attribute_value(x) for x in node.attribute}
            kind, inputs, output, layer = node.op_type, list(node.input), node.output[0], None
            if kind == "Constant":
                values[output] = numpy_helper.to_array(a["value"])
                continue
            if all(i in values for i in inputs):
                values[output] = self._constant(kind, [values[i] for i in inputs], a)
                continue
            weights = [torch.from_numpy(values[i].astype(np.float32)) for i in inputs if i in values]
            if kind == "Conv":
                w = weights[0]
                layer = nn.Conv2d(w.shape[1] * a["group"], w.shape[0], a["kernel_shape"], a["strides"], a["pads"][:2],
                                  groups=a["group"])
            elif kind == "Gemm":
                layer = nn.Linear(*weights[0].shape[::-1])
            elif kind == "BatchNormalization" and inputs[0] in made:
                layer = made.pop(inputs[0])
                gamma, beta, mean, variance = weights
                gain = gamma / torch.sqrt(variance + a["epsilon"])
                layer.weight.data *= gain.view(-1, *[1] * (layer.weight.dim() - 1))
                layer.bias.data = (layer.bias.data - mean) * gain + beta
                kind = "Identity"
            elif kind == "BatchNormalization":
                gamma, beta, mean, variance = weights
                gain = gamma / torch.sqrt(variance + a["epsilon"])
                self.register_buffer(f"values{len(self.steps)}", torch.stack([gain, beta - mean * gain]).view(2, -1, 1, 1))
                kind = "Scale"
            elif kind in ("Sub", "Mul", "PRelu"):
                self.register_buffer(f"values{len(self.steps)}", weights[0].flatten())
            elif kind == "Dropout":
                kind = "Identity"
            elif kind not in ("Clip", "Add", "Relu", "Reshape", "Flatten"):
                raise ValueError(f"{file} has an operator {kind} that this reader does not know")
            if kind in ("Conv", "Gemm"):
                layer.weight.data = weights[0].clone()
                layer.bias.data = weights[1].clone() if len(weights) > 1 else torch.zeros(len(weights[0]))
                self.add_module(f"layer{len(self.steps)}", layer)
                made[output] = layer
            self.steps.append((kind, inputs, output))
        self.to(torch.bfloat16).to(memory_format=torch.channels_last).eval()

    @staticmethod
    def _constant(kind: str, inputs: list[np.ndarray], a: dict) -> np.ndarray:
        if kind == "Reshape":
            return inputs[0].reshape(inputs[1])
        if kind != "DequantizeLinear":
            raise ValueError(f"a weight is made by {kind}, which this reader does not know")
        q, scale = inputs[0].astype(np.float32), inputs[1]
        zero = inputs[2].astype(np.float32) if len(inputs) > 2 else np.zeros_like(scale)
        axis, block = a.get("axis", 1), a.get("block_size", 0)
        if block:
            spread = lambda v: np.take(np.repeat(v, block, axis), range(q.shape[axis]), axis)
        else:
            spread = lambda v: v.reshape([-1 if k == axis else 1 for k in range(q.ndim)]) if v.size > 1 else v
        return (q - spread(zero)) * spread(scale)

    @torch.inference_mode()
    def run(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """All values by name, for the input x."""
        v = {self.input: x.bfloat16().contiguous(memory_format=torch.channels_last)}
        for k, (kind, inputs, output) in enumerate(self.steps):
            x = v[inputs[0]]
            if kind in ("Conv", "Gemm"):
                x = getattr(self, f"layer{k}")(x)
            elif kind == "Add":
                x = x + v[inputs[1]]
            elif kind == "Scale":
                gain, offset = getattr(self, f"values{k}")
                x = x * gain + offset
            elif kind == "Sub":
                x = x - getattr(self, f"values{k}")
            elif kind == "Mul":
                x = x * getattr(self, f"values{k}")
            elif kind == "PRelu":
                x = F.prelu(x, getattr(self, f"values{k}"))
            elif kind == "Clip":
                x = F.relu6(x)
            elif kind == "Relu":
                x = F.relu(x)
            elif kind in ("Reshape", "Flatten"):
                x = x.flatten(1)
            v[output] = x
        return v


class Teacher(_Graph):
    """MobileFaceNet of the open pack (Apache-2.0). Also gives three of its inner maps, which teach the student's stages."""

    HINTS = ("/features/features.4/Add_output_0",    # [64, 28, 28], here averaged to 14x14
             "/features/features.11/Add_output_0",   # [128, 14, 14]
             "/conv2/conv2.2/Clip_output_0")         # [512, 7, 7]

    def __init__(self, models: Path):
        super().__init__(models / "embedding" / "mobilefacenet.onnx")

    def look(self, rgb: np.ndarray) -> list[np.ndarray]:
        """Vectors [n, 128] and the maps [n, 64, 14, 14], [n, 128, 14, 14], [n, 512, 7, 7] of RGB uint8 [n, 112, 112, 3]."""
        x = torch.from_numpy(rgb).permute(0, 3, 1, 2).float()
        x = (x / 255 - x.new_tensor([.485, .456, .406]).view(3, 1, 1)) / x.new_tensor([.229, .224, .225]).view(3, 1, 1)
        v = self.run(x)
        early, middle, late = (v[h].float() for h in self.HINTS)
        return [t.numpy() for t in (v[self.output].float(), F.avg_pool2d(early, 2), middle, late)]


class SFace(_Graph):
    """SFace of OpenCV's model zoo (Apache-2.0), the second teacher."""

    def look(self, rgb: np.ndarray) -> np.ndarray:
        """Vectors [n, 128] of RGB uint8 [n, 112, 112, 3]."""
        return self.run(torch.from_numpy(rgb).permute(0, 3, 1, 2).float())[self.output].float().numpy()
