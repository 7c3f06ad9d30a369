"""SFace: Y. Zhong et al., "SFace: Sigmoid-Constrained Hypersphere Loss for Robust Face Recognition", IEEE TIP 2021.

The network of OpenCV's Zoo, a MobileNet whose weights are int8 in blocks, one scale and zero point a block.
"""

from skeleton import OpenCVZoo, Skeleton

# Channels and stride of the depthwise convolution, and channels of the pointwise one: conv_2 to conv_14.
BLOCKS = [(32, 1, 64), (64, 2, 128), (128, 1, 128), (128, 2, 256), (256, 1, 256), (256, 2, 512), (512, 1, 512),
          (512, 1, 512), (512, 1, 512), (512, 1, 512), (512, 1, 512), (512, 2, 1024), (1024, 1, 1024)]
CONVOLUTION_EPSILON, LAST_EPSILON = 1e-3, 2e-5


def sface(folder, path):
    """The skeleton over face_recognition_sface_2021dec_int8bq.onnx at path."""
    s = Skeleton("sface", folder)
    weights = OpenCVZoo(s, path)

    def convolution(x, name, channels, filter, **attributes):
        weight, bias = s.normalised(weights.float(name + "_conv2d_weight", channels, *filter),
                                    *statistics(name + "_batchnorm"), CONVOLUTION_EPSILON)
        x = s.node("Conv", x, weight, bias, **attributes)
        return s.parametric_relu(x, weights.raw(name + "_relu_gamma"), channels)

    def statistics(name):
        return [weights.raw(f"{name}_{part}") for part in ("gamma", "beta", "moving_mean", "moving_var")]

    x = s.node("Mul", s.node("Sub", "data", weights.raw("scalar_op1")), weights.raw("scalar_op2"))
    x = convolution(x, "conv_1", 32, (3, 3, 3), pads=[1] * 4)
    for i, (channels, stride, wider) in enumerate(BLOCKS, 2):
        x = convolution(x, f"conv_{i}_dw", channels, (1, 3, 3), group=channels, strides=[stride] * 2, pads=[1] * 4)
        x = convolution(x, f"conv_{i}", wider, (channels, 1, 1))
    x = s.node("Flatten", s.node("BatchNormalization", x, *statistics("bn1"), epsilon=LAST_EPSILON))
    x = s.node("Gemm", x, weights.float("pre_fc1_weight", 128, -1), weights.float("pre_fc1_bias", 128), transB=1)
    x = s.node("BatchNormalization", x, *statistics("fc1"), epsilon=LAST_EPSILON)
    s.rename(x, "embedding")
    return s.bytes({"data": ["N", 3, 112, 112]}, {"embedding": ["N", 128]})
