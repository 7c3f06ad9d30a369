"""The detector: a small dense network with YuNet's outputs.

Dense 3x3 convolutions with few channels take no longer in ONNX Runtime than YuNet's depthwise ones with many, and train
several times faster on a CPU.
"""

import torch
from torch import nn
from torch.nn import functional as F

# Input pixels per cell of the three maps, as in YuNet (Wu, Peng, Yu: "YuNet: A Tiny Millisecond-level Face Detector",
# Machine Intelligence Research 20, 2023, section 3).
STRIDES = (8, 16, 32)

# Values of a cell: classification, objectness, box (dx, dy, log w, log h), five points (x, y).
CELL = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}

# What the network learns of a cell: one logit in place of classification and objectness, the box, the points.
LEARNED = [1, CELL["bbox"], CELL["kps"]]

# The outputs in the order of the ONNX file: every head for the three strides in turn.
OUTPUTS = [f"{head}_{stride}" for head in CELL for stride in STRIDES]


def conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """3x3 convolution, batch normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


class Residual(nn.Module):
    """Two 3x3 convolutions added to what came in."""

    def __init__(self, channels: int):
        super().__init__()
        self.first = conv(channels, channels)
        self.second = nn.Sequential(
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x + self.second(self.first(x)))


class Detector(nn.Module):
    """BGR pixels 0..255 [N, 3, H, W], H and W multiples of 32, to three maps [N, 15, H/s, W/s] of raw values.

    YuNet's classification means nothing where its objectness is low, so only their product is learned.

    A backbone down to stride 32, the coarser maps added to the finer ones on the way back, one convolution and one
    linear head for each stride. The channel counts are multiples of 16, the block that ONNX Runtime computes at once.
    """

    CHANNELS = (32, 64, 64)  # of the maps at strides 8, 16, 32

    def __init__(self):
        super().__init__()
        fine, middle, coarse = self.CHANNELS
        self.stem = nn.Sequential(conv(3, 16, stride=2), conv(16, 32, stride=2))
        self.down8 = nn.Sequential(conv(32, fine, stride=2), Residual(fine))
        self.down16 = nn.Sequential(conv(fine, middle, stride=2), Residual(middle))
        self.down32 = nn.Sequential(conv(middle, coarse, stride=2), Residual(coarse), Residual(coarse))
        self.to_middle = nn.Conv2d(coarse, middle, 1)
        self.to_fine = nn.Conv2d(middle, fine, 1)
        self.necks = nn.ModuleList(conv(c, c) for c in self.CHANNELS)
        self.heads = nn.ModuleList(nn.Conv2d(c, sum(LEARNED), 1) for c in self.CHANNELS)
        for head in self.heads:
            nn.init.normal_(head.weight, std=0.01)
            nn.init.zeros_(head.bias)
            nn.init.constant_(head.bias[:1], -4.0)  # a face in few cells: the first steps need not learn that

    def features(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        """The maps that the heads read. Pixels stay as they are: the first batch normalisation does what is needed."""
        fine = self.down8(self.stem(pixels))
        middle = self.down16(fine)
        coarse = self.down32(middle)
        middle = torch.relu(middle + F.interpolate(self.to_middle(coarse), scale_factor=2.0, mode="nearest"))
        fine = torch.relu(fine + F.interpolate(self.to_fine(middle), scale_factor=2.0, mode="nearest"))
        return [neck(x) for neck, x in zip(self.necks, (fine, middle, coarse))]

    def read(self, features: list[torch.Tensor]) -> list[torch.Tensor]:
        return [head(x) for head, x in zip(self.heads, features)]

    def forward(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        return self.read(self.features(pixels))


class Exported(nn.Module):
    """The detector with YuNet's twelve outputs, each [N, cells, values], cells row by row."""

    def __init__(self, detector: Detector):
        super().__init__()
        self.detector = detector

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        maps = [m.flatten(2).transpose(1, 2).split(LEARNED, dim=2) for m in self.detector(pixels)]
        logit, bbox, kps = zip(*maps)
        score = [x.sigmoid().sqrt() for x in logit]  # of both factors of the product
        return (*score, *score, *bbox, *kps)
