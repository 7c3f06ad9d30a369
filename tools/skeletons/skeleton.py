"""Building blocks of skeletons: ONNX files without weights.

An initialiser of a skeleton is a range of bytes in another file, which lies beside the skeleton and stays as its publisher
made it. What has to happen to the bytes (widening, dequantising, transposing, folding) are nodes on constants, and ONNX
Runtime computes them once, when it loads the network.
"""

import collections
import hashlib
import math
import os
import pickle
import struct
import zipfile

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8


class Skeleton:
    """A graph in the making. Every method that adds something returns the name of the value that it makes."""

    def __init__(self, name, folder, opset=OPSET):
        """folder is the pack's, in which the skeleton will lie; its weights lie there or below."""
        self.name, self.folder, self.opset = name, folder, opset
        self.nodes, self.initialisers, self.files = [], {}, {}

    def weights(self, path, offset, dtype, dims):
        """A tensor of that ONNX type and shape at an offset in the weights file at path."""
        file = os.path.relpath(path, self.folder)
        self.files[file] = path
        length = math.prod(dims) * np.dtype(helper.tensor_dtype_to_np_dtype(dtype)).itemsize
        if offset + length > os.path.getsize(path):
            raise ValueError(f"{file} ends before byte {offset + length}")
        tensor = TensorProto(name=f"{file}@{offset}", data_type=dtype, dims=dims, data_location=TensorProto.EXTERNAL)
        for key, value in (("location", file), ("offset", offset), ("length", length)):
            tensor.external_data.add(key=key, value=str(value))
        self.initialisers[tensor.name] = tensor
        return tensor.name

    def constant(self, value, dtype=np.float32):
        """A number or a few of them that are part of the architecture: a shape, an epsilon, the scale of a quantisation."""
        value = np.asarray(value, dtype)
        name = f"{value.dtype}{list(value.shape)}={value.ravel().tolist()}"
        self.initialisers[name] = numpy_helper.from_array(value, name)
        return name

    def node(self, op, *inputs, outputs=1, **attributes):
        """The value of an operator; a list where it has several."""
        names = [f"{len(self.nodes)}" + (f".{i}" if i else "") for i in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def reshape(self, value, *dims):
        return self.node("Reshape", value, self.constant(dims, np.int64))

    def normalised(self, weight, gamma, beta, mean, variance, epsilon):
        """Weights (a filter a row) and bias of a convolution without bias, with the batch normalisation that follows it."""
        factor = self.node("Div", gamma, self.node("Sqrt", self.node("Add", variance, self.constant(epsilon))))
        return (self.node("Mul", weight, self.reshape(factor, -1, 1, 1, 1)),
                self.node("Sub", beta, self.node("Mul", factor, mean)))

    def parametric_relu(self, x, slope, channels):
        """max(x,0) + slope·min(x,0) as max(x,0)·(1−slope) + x·slope.

        ONNX Runtime's kernel for PRelu costs more than the convolutions around it. Depthwise convolutions stay in their
        memory layout, and the addition becomes part of the second one.
        """
        slope = self.reshape(slope, channels, 1, 1, 1)
        positive = self.node("Conv", self.node("Relu", x), self.node("Sub", self.constant(1), slope), group=channels)
        return self.node("Add", self.node("Conv", x, slope, group=channels), positive)

    def bytes(self, inputs, outputs):
        """The file. inputs and outputs map the names of values to their shapes; None stands for any size."""
        infos = [[helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n, shape in ends.items()]
                 for ends in (inputs, outputs)]
        graph = helper.make_graph(self.nodes, self.name, *infos, list(self.initialisers.values()))
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=IR_VERSION,
                                  producer_name="facestream")
        helper.set_model_props(model, {f"sha256:{file}": sha256(path) for file, path in sorted(self.files.items())})
        return model.SerializeToString(deterministic=True)

    def rename(self, value, name):
        """Gives the value of a node another name, so that it can be an output."""
        for node in self.nodes:
            for names in (node.input, node.output):
                for i, n in enumerate(names):
                    if n == value:
                        names[i] = name
        return name


class ONNX:
    """The weights in an ONNX file, for a skeleton. Names are those of its initialisers."""

    def __init__(self, skeleton, path):
        self.skeleton, self.path, self.tensors = skeleton, path, initialisers(path)

    def raw(self, name):
        offset, dtype, dims = self.tensors[name]
        return self.skeleton.weights(self.path, offset, dtype, dims)


class OpenCVZoo(ONNX):
    """Weights that OpenCV's Zoo has quantised: int8 in blocks along the last axis, with a scale and a zero point a block."""

    def float(self, name, *dims):
        """Float weights as they are, or quantised ones as floats of that shape."""
        if name in self.tensors:
            return self.raw(name)
        s = self.skeleton
        *rows, values = self.tensors[name + "_quantized"][2]
        blocks = self.tensors[name + "_scales"][2][-1]
        q, zero = (s.node("Cast", self.raw(name + part), to=TensorProto.FLOAT) for part in ("_quantized", "_zero_point"))
        q = s.reshape(q, *rows, blocks, values // blocks)
        zero, scale = (s.reshape(v, *rows, blocks, 1) for v in (zero, self.raw(name + "_scales")))
        return s.reshape(s.node("Mul", s.node("Sub", q, zero), scale), *dims)


class TensorFlowJS:
    """The weights of a TensorFlow.js model, for a skeleton. Names are those of its manifest; the file at path has the bytes.

    They are float32, or narrower with a note how to widen them.
    """

    def __init__(self, skeleton, path, manifest):
        """manifest is what the JSON file says."""
        self.skeleton, self.path, self.tensors = skeleton, path, {}
        offset = 0
        for entry in manifest[0]["weights"]:
            note = entry.get("quantization", {"dtype": entry["dtype"]})
            dtype = np.dtype(note["dtype"])
            self.tensors[entry["name"]] = offset, dtype, note, entry["shape"]
            offset += math.prod(entry["shape"]) * dtype.itemsize
        assert offset == os.path.getsize(path), path

    def float(self, name):
        s = self.skeleton
        offset, dtype, note, dims = self.tensors[name]
        w = s.weights(self.path, offset, helper.np_dtype_to_tensor_dtype(dtype), dims)
        if dtype != np.float32:
            w = s.node("Cast", w, to=TensorProto.FLOAT)
        if "scale" in note:
            w = s.node("Add", s.node("Mul", w, s.constant(note["scale"])), s.constant(note["min"]))
        return w

    def filters(self, name):
        """Weights of a convolution as ONNX wants them: from height, width, in, out to out, in, height, width."""
        return self.skeleton.node("Transpose", self.float(name), perm=[3, 2, 0, 1])

    def depthwise(self, name):
        """Weights of a depthwise convolution: from height, width, channels, 1 to channels, 1, height, width."""
        return self.skeleton.node("Transpose", self.float(name), perm=[2, 3, 0, 1])


class PyTorch:
    """The float32 weights of a state dictionary that torch.save wrote, for a skeleton.

    Such a file is a zip archive whose members are stored as they are: a pickle, and a file of raw values for each tensor.
    """

    def __init__(self, skeleton, path):
        self.skeleton, self.path, self.tensors = skeleton, path, {}
        with zipfile.ZipFile(path) as archive, open(path, "rb") as file:
            [pickled] = [m for m in archive.namelist() if m.endswith("/data.pkl")]
            state = _StateDictionary(archive.open(pickled)).load()
            for name, (key, offset, dims) in state.items():
                if key is None:
                    continue
                member = archive.getinfo(f"{os.path.dirname(pickled)}/data/{key}")
                assert member.compress_type == zipfile.ZIP_STORED, name
                file.seek(member.header_offset + 26)
                header = 30 + sum(struct.unpack("<HH", file.read(4)))
                self.tensors[name] = member.header_offset + header + 4 * offset, dims

    def tensor(self, name):
        offset, dims = self.tensors[name]
        return self.skeleton.weights(self.path, offset, TensorProto.FLOAT, dims)


class _StateDictionary(pickle.Unpickler):
    """Reads of each tensor the key of its storage (None unless that is float32), its offset there, and its shape. Runs nothing."""

    def find_class(self, module, name):
        known = {"OrderedDict": collections.OrderedDict, "FloatStorage": np.float32, "LongStorage": np.int64,
                 "_rebuild_tensor_v2": lambda storage, offset, dims, *_: (storage, offset, list(dims))}
        return known[name]

    def persistent_load(self, pid):
        _, dtype, key, *_ = pid
        return key if dtype is np.float32 else None


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def initialisers(path):
    """The initialisers of an ONNX file: name -> (offset in the file, ONNX type, dims).

    Their values lie as they are in memory in raw_data, and in float_data, which is packed.
    """
    with open(path, "rb") as file:
        content = memoryview(file.read())
    found = {}
    for field, start, end in fields(content, 0, len(content)):
        if field != 7:  # ModelProto.graph
            continue
        for field, start, end in fields(content, start, end):
            if field != 5:  # GraphProto.initializer
                continue
            tensor = TensorProto.FromString(bytes(content[start:end]))
            data = [s for field, s, _ in fields(content, start, end) if field == (9 if tensor.raw_data else 4)]
            if len(data) == 1:  # an empty tensor has no data
                found[tensor.name] = data[0], tensor.data_type, list(tensor.dims)
    # What was found is what the library reads.
    for tensor in onnx.load(path).graph.initializer:
        if tensor.name in found:
            value = numpy_helper.to_array(tensor)
            offset = found[tensor.name][0]
            assert bytes(content[offset:offset + value.nbytes]) == value.tobytes(), tensor.name
    return found


def fields(content, at, end):
    """The fields of a protobuf message: their numbers, and where the bytes of those with a length begin and end."""
    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = content[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
    while at < end:
        key = varint()
        start = at
        match key & 7:
            case 0:
                varint()
            case 1:
                at += 8
            case 2:
                length = varint()
                start, at = at, at + length
            case 5:
                at += 4
        yield key >> 3, start, at
