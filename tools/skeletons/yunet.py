"""YuNet: W. Wu, H. Peng, S. Yu, "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence Research 20, 2023.

The network of OpenCV's Zoo takes 640×640 pixels. The skeleton takes rows of any size that is a multiple of 32.
"""

from skeleton import OpenCVZoo, Skeleton

# Where the weights of the depthwise convolutions have numbers for names, they count in this order, in steps of 3.
UNITS = ["backbone.model0.conv2"] + [f"backbone.model{i}.conv{j}" for i in range(1, 6) for j in (1, 2)] + [
    f"neck.lateral_convs.{i}" for i in (2, 1, 0)]
FIRST = 420
WIDTHS = {"backbone.model0.conv2": (16, 16), "backbone.model1.conv1": (16, 16), "backbone.model1.conv2": (16, 32),
          "backbone.model2.conv1": (32, 32), "backbone.model2.conv2": (32, 64)}  # of the others: 64, 64
HEADS = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}  # values a cell


def yunet(folder, path):
    """The skeleton over face_detection_yunet_2023mar_int8bq.onnx at path."""
    s = Skeleton("yunet", folder)
    weights = OpenCVZoo(s, path)

    def unit(x, name):
        narrow, wide = WIDTHS.get(name, (64, 64))
        number = FIRST + 3 * (1 + UNITS.index(name))
        x = pointwise(x, name + ".conv1", narrow, wide)
        return s.node("Relu", depthwise(x, str(number), str(number + 1), wide))

    def pointwise(x, name, narrow, wide):
        return s.node("Conv", x, weights.float(name + ".weight", wide, narrow, 1, 1), weights.float(name + ".bias", wide))

    def depthwise(x, weight, bias, channels):
        return s.node("Conv", x, weights.float(weight, channels, 1, 3, 3), weights.float(bias, channels), group=channels,
                      pads=[1] * 4)

    def upsampled(x):
        return s.node("Resize", x, "", s.constant([1, 1, 2, 2]), mode="nearest", nearest_mode="floor",
                      coordinate_transformation_mode="asymmetric")

    x = s.node("Relu", s.node("Conv", "input", weights.float(str(FIRST), 16, 3, 3, 3), weights.float(str(FIRST + 1), 16),
                              strides=[2] * 2, pads=[1] * 4))
    x = unit(x, "backbone.model0.conv2")
    levels = []
    for i in range(1, 6):
        if i != 2:  # model2 keeps the size of model1
            x = s.node("MaxPool", x, kernel_shape=[2] * 2, strides=[2] * 2)
        x = unit(unit(x, f"backbone.model{i}.conv1"), f"backbone.model{i}.conv2")
        levels.append(x)
    levels = levels[2:]
    for i in (2, 1, 0):
        if i < 2:
            levels[i] = s.node("Add", levels[i], upsampled(levels[i + 1]))
        levels[i] = unit(levels[i], f"neck.lateral_convs.{i}")

    outputs = {}
    for head, values in HEADS.items():
        for i, level in enumerate(levels):
            name = f"bbox_head.multi_level_{head}.{i}"
            x = pointwise(level, name + ".conv1", 64, values)
            x = depthwise(x, name + ".conv2.weight", name + ".conv2.bias", values)
            x = s.reshape(s.node("Transpose", x, perm=[0, 2, 3, 1]), 0, -1, values)
            if head in ("cls", "obj"):
                x = s.node("Sigmoid", x)
            outputs[s.rename(x, f"{head}_{8 << i}")] = ["N", None, values]
    return s.bytes({"input": ["N", 3, None, None]}, outputs)
