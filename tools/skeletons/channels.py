"""Networks of others with their graph as it is, in the form that ONNX Runtime computes fastest."""

import onnx
from onnx import TensorProto, helper, numpy_helper

from skeleton import Skeleton, initialisers

# Convolutions of a multiple of so many channels stay in the memory layout of those around them on every processor.
BLOCK = 16
# What acts on each channel alone, and keeps one that is 0 at 0 or has it multiplied by 0.
BY_CHANNEL = ("Add", "Mul", "Relu", "Sigmoid", "GlobalAveragePool")


def channels(folder, path):
    """The skeleton over the ONNX file at path: convolutions and what acts on each channel alone, up to the layers at the end.

    Channels that are always 0 make every number of channels a multiple of BLOCK, and PReLU is as Skeleton.parametric_relu writes it.
    The number of channels at the end must be such a multiple already.
    """
    model = onnx.load(path)
    graph, [opset] = model.graph, model.opset_import
    s = Skeleton(graph.name, folder, opset.version)
    found, tensors = initialisers(path), {t.name: t for t in graph.initializer}
    [given] = [i for i in graph.input if i.name not in tensors]
    # Of each value of the graph: its name in the skeleton, and how many channels it has there, where it is a picture.
    names, wide = {given.name: given.name}, {given.name: shape(given)[1]}

    def weights(name, *dims):
        """A tensor of the file with 0 after its values, up to these dimensions."""
        offset, dtype, have = found[name]
        lacking = [want - n for want, n in zip(dims, have)]
        value = s.weights(path, offset, dtype, have)
        return s.node("Pad", value, s.constant([0] * len(have) + lacking, "int64")) if any(lacking) else value

    for node in graph.node:
        [out], [x, *more] = node.output, node.input
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        if node.op_type == "Conv":
            many, _, *kernel = found[more[0]][2]
            wide[out] = -(-many // BLOCK) * BLOCK
            depthwise = attributes.get("group", 1) > 1
            if depthwise:
                assert attributes["group"] == many and wide[x] == wide[out], "neither a depthwise convolution nor one of all channels"
                attributes["group"] = wide[out]
            filters = weights(more[0], wide[out], 1 if depthwise else wide[x], *kernel)
            names[out] = s.node("Conv", names[x], filters, *(weights(bias, wide[out]) for bias in more[1:]), **attributes)
        elif node.op_type == "PRelu":
            wide[out] = wide[x]
            names[out] = s.parametric_relu(names[x], weights(more[0], wide[x], 1, 1), wide[x])
        elif node.op_type in BY_CHANNEL and wide.keys() >= set(node.input):
            [wide[out]] = {wide[v] for v in node.input}
            names[out] = s.node(node.op_type, *[names[v] for v in node.input], **attributes)
        else:
            for v in node.input:
                if v not in names:  # a shape is a part of the architecture
                    shaped = tensors[v].data_type == TensorProto.INT64
                    names[v] = s.constant(numpy_helper.to_array(tensors[v]), "int64") if shaped else weights(v, *found[v][2])
                assert wide.get(v, 0) % BLOCK == 0
            names[out] = s.node(node.op_type, *[names[v] for v in node.input], **attributes)
    outputs = {s.rename(names[o.name], o.name): shape(o) for o in graph.output}
    return s.bytes({given.name: shape(given)}, outputs)


def shape(value):
    return [d.dim_value or d.dim_param or None for d in value.type.tensor_type.shape.dim]
