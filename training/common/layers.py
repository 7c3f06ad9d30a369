"""The layers that the students are made of: dense 3x3 convolutions, which train several times faster on a processor than
depthwise ones."""

import torch
from torch import nn


def conv(i: int, o: int, stride: int = 1, kernel: int = 3, act: bool = True) -> nn.Sequential:
    layers = [nn.Conv2d(i, o, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(o)]
    return nn.Sequential(*layers, *([nn.ReLU(inplace=True)] if act else []))


class Residual(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.a = conv(channels, channels)
        self.b = conv(channels, channels, act=False)

    def forward(self, x):
        return torch.relu(x + self.b(self.a(x)))


class Trunk(nn.Module):
    """Maps of a half, a quarter, ... of the picture, one for each of the channels; the last is the answer."""

    def __init__(self, channels: tuple[int, ...], blocks: tuple[int, ...]):
        super().__init__()
        self.stem = conv(3, channels[0], stride=2)
        self.stages = nn.ModuleList(nn.Sequential(conv(i, o, stride=2), *[Residual(o) for _ in range(n)])
                                    for i, o, n in zip(channels, channels[1:], blocks))

    def maps(self, x) -> list[torch.Tensor]:
        found = [self.stem(x)]
        for stage in self.stages:
            found.append(stage(found[-1]))
        return found

    def forward(self, x):
        return self.maps(x)[-1]


class Values(nn.Module):
    """A number of values from all places of the picture: input [n, 3, side, side], output [n, values]."""

    def __init__(self, side: int, values: int, channels: tuple[int, ...], blocks: tuple[int, ...], narrow: int = 32, hidden: int = 0):
        super().__init__()
        self.trunk = Trunk(channels, blocks)
        self.narrow = conv(channels[-1], narrow, kernel=1)
        flat = narrow * (side // 2 ** len(channels)) ** 2
        self.head = nn.Linear(flat, values) if not hidden else nn.Sequential(
            nn.Linear(flat, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, values))

    def forward(self, x):
        return self.head(self.narrow(self.trunk(x)).flatten(1))
