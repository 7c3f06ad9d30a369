"""CAM++: H. Wang, S. Zheng, Y. Chen, L. Cheng, Q. Chen, "CAM++: A Fast and Efficient Network for Speaker Verification Using
Context-Aware Masking", Interspeech 2023. The network of 3D-Speaker for Chinese and English, 192 numbers a recording.
"""

import numpy as np
from onnx import TensorProto

from skeleton import PyTorch, Skeleton

# Layers and dilation of the densely connected blocks.
BLOCKS = [(12, 1), (24, 2), (16, 2)]
BINS, VALUES = 80, 192
SEGMENT = 100  # frames whose mean is the context of each of them
EPSILON = 1e-5


def campplus(folder, path):
    """The skeleton over campplus_cn_en_common.pt at path. A row is T frames of 80 mel bins."""
    s = Skeleton("campplus", folder)
    weights = PyTorch(s, path)
    last = s.constant([-1], np.int64)

    def normalised(x, name):
        return s.node("BatchNormalization", x, *[weights.tensor(f"{name}.{part}") for part in
                      ("weight", "bias", "running_mean", "running_var")], epsilon=EPSILON)

    def convolution(x, name, **attributes):
        bias = [weights.tensor(name + ".bias")] if name + ".bias" in weights.tensors else []
        return s.node("Conv", x, weights.tensor(name + ".weight"), *bias, **attributes)

    def activated(x, name):
        return s.node("Relu", normalised(x, name + ".batchnorm"))

    def residual(x, name, stride):
        out = s.node("Relu", normalised(convolution(x, name + ".conv1", strides=[stride, 1], pads=[1] * 4), name + ".bn1"))
        out = normalised(convolution(out, name + ".conv2", pads=[1] * 4), name + ".bn2")
        if name + ".shortcut.0.weight" in weights.tensors:
            x = normalised(convolution(x, name + ".shortcut.0", strides=[stride, 1]), name + ".shortcut.1")
        return s.node("Relu", s.node("Add", out, x))

    def masked(x, name, dilation):
        """The convolution of a layer, weighed by its context: the mean of everything and that of each segment."""
        local = convolution(x, name + ".linear_local", pads=[dilation] * 2, dilations=[dilation])
        segments = s.node("AveragePool", x, kernel_shape=[SEGMENT], strides=[SEGMENT], ceil_mode=1, count_include_pad=0)
        segments = s.node("Resize", segments, "", s.constant([1, 1, SEGMENT]), mode="nearest", nearest_mode="floor",
                          coordinate_transformation_mode="asymmetric")
        segments = s.node("Slice", segments, s.constant([0], np.int64), s.node("Shape", x, start=2, end=3),
                          s.constant([2], np.int64))
        context = s.node("Add", segments, s.node("ReduceMean", x, axes=[-1], keepdims=1))
        context = s.node("Relu", convolution(context, name + ".linear1"))
        return s.node("Mul", local, s.node("Sigmoid", convolution(context, name + ".linear2")))

    x = s.node("Unsqueeze", s.node("Transpose", "bins", perm=[0, 2, 1]), s.constant([1], np.int64))
    x = s.node("Relu", normalised(convolution(x, "head.conv1", pads=[1] * 4), "head.bn1"))
    for layer in ("head.layer1", "head.layer2"):
        x = residual(residual(x, layer + ".0", 2), layer + ".1", 1)
    x = s.node("Relu", normalised(convolution(x, "head.conv2", strides=[2, 1], pads=[1] * 4), "head.bn2"))
    x = s.node("Reshape", x, s.constant([0, 4 * BINS, -1], np.int64))  # 32 channels of an eighth of the bins
    x = activated(convolution(x, "xvector.tdnn.linear", strides=[2], pads=[2, 2]), "xvector.tdnn.nonlinear")
    for i, (layers, dilation) in enumerate(BLOCKS, 1):
        for j in range(1, layers + 1):
            name = f"xvector.block{i}.tdnnd{j}"
            out = activated(convolution(activated(x, name + ".nonlinear1"), name + ".linear1"), name + ".nonlinear2")
            x = s.node("Concat", x, masked(out, name + ".cam_layer", dilation), axis=1)
        x = convolution(activated(x, f"xvector.transit{i}.nonlinear"), f"xvector.transit{i}.linear")
    x = activated(x, "xvector.out_nonlinear")

    # Mean and standard deviation of each channel over time.
    mean = s.node("ReduceMean", x, axes=[-1], keepdims=1)
    off = s.node("Sub", x, mean)
    squares = s.node("ReduceSum", s.node("Mul", off, off), last, keepdims=1)
    frames = s.node("Cast", s.node("Shape", x, start=2, end=3), to=TensorProto.FLOAT)
    deviation = s.node("Sqrt", s.node("Div", squares, s.node("Sub", frames, s.constant([1]))))
    x = convolution(s.node("Concat", mean, deviation, axis=1), "xvector.dense.linear")
    name = "xvector.dense.nonlinear.batchnorm"  # without weight and bias
    scale = s.node("Sqrt", s.node("Add", weights.tensor(name + ".running_var"), s.constant(EPSILON)))
    x = s.node("Sub", s.node("Squeeze", x, last), weights.tensor(name + ".running_mean"))
    s.rename(s.node("Div", x, scale), "embedding")
    return s.bytes({"bins": ["N", "T", BINS]}, {"embedding": ["N", VALUES]})
