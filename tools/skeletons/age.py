"""The network for age and sex of face-api, a small Xception. The skeleton answers the age alone."""

import json

from skeleton import TensorFlowJS, Skeleton


def age(folder, path, manifest):
    """The skeleton over age_gender_model.bin at path, and age_gender_model-weights_manifest.json at manifest."""
    s = Skeleton("age", folder)
    with open(manifest) as file:
        weights = TensorFlowJS(s, path, json.load(file))

    def separable(x, name):
        x = s.node("Conv", x, weights.depthwise(name + "/depthwise_filter"), auto_pad="SAME_UPPER",
                   group=weights.tensors[name + "/depthwise_filter"][3][2])
        return s.node("Conv", x, weights.filters(name + "/pointwise_filter"), weights.float(name + "/bias"))

    def convolution(x, name):
        return s.node("Conv", x, weights.filters(name + "/filters"), weights.float(name + "/bias"), strides=[2] * 2,
                      auto_pad="SAME_UPPER")

    def reduction(x, name, activate=True):
        out = separable(s.node("Relu", x) if activate else x, name + "/separable_conv0")
        out = separable(s.node("Relu", out), name + "/separable_conv1")
        out = s.node("MaxPool", out, kernel_shape=[3] * 2, strides=[2] * 2, auto_pad="SAME_UPPER")
        return s.node("Add", out, convolution(x, name + "/expansion_conv"))

    x = s.node("Relu", convolution("input", "entry_flow/conv_in"))
    x = reduction(x, "entry_flow/reduction_block_0", activate=False)
    x = reduction(x, "entry_flow/reduction_block_1")
    for i in range(2):
        out = x
        for j in range(3):
            out = separable(s.node("Relu", out), f"middle_flow/main_block_{i}/separable_conv{j}")
        x = s.node("Add", out, x)
    x = reduction(x, "exit_flow/reduction_block")
    x = s.node("Relu", separable(x, "exit_flow/separable_conv"))
    x = s.node("Flatten", s.node("GlobalAveragePool", x))
    s.rename(s.node("Gemm", x, weights.float("fc/age/weights"), weights.float("fc/age/bias")), "years")
    return s.bytes({"input": ["N", 3, 112, 112]}, {"years": ["N", 1]})
