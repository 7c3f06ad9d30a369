"""Silero VAD: https://github.com/snakers4/silero-vad. The network for 16 kHz, over a whole recording at once."""

import numpy as np

from skeleton import ONNX, Skeleton

# A frame is 512 samples after the last 64 of the frame before it.
FRAME = 512 + 64
PADDING, WINDOW, HOP = 64, 256, 128
STATE = 128
STRIDES = [1, 2, 2, 1]


def silero(folder, path):
    """The skeleton over silero_vad_16k_sequence.onnx at path. A row is T frames; the answer is the probability of speech in each."""
    s = Skeleton("silero", folder)
    weights = ONNX(s, path)
    # The frames of a row one after another, mirrored at their ends.
    x = s.node("Reshape", "frames", s.constant([-1, 1, FRAME], np.int64))
    x = s.node("Pad", x, s.constant([0, 0, 0, 0, 0, PADDING], np.int64), mode="reflect")
    x = s.node("Conv", x, weights.raw("stft.forward_basis_buffer"), strides=[HOP])
    real, imaginary = s.node("Split", x, axis=1, outputs=2)
    x = s.node("Sqrt", s.node("Add", s.node("Mul", real, real), s.node("Mul", imaginary, imaginary)))
    for i, stride in enumerate(STRIDES):
        x = s.node("Conv", x, weights.raw(f"encoder.{i}.weight"), weights.raw(f"encoder.{i}.bias"), strides=[stride], pads=[1, 1])
        x = s.node("Relu", x)
    # One frame has one state: from N·T frames to T, N, state.
    times = s.node("Shape", "frames", start=1, end=2)
    shape = s.node("Concat", s.constant([-1], np.int64), times, s.constant([STATE], np.int64), axis=0)
    x = s.node("Transpose", s.node("Reshape", x, shape), perm=[1, 0, 2])
    x = s.node("LSTM", x, *[weights.raw(f"onnx::LSTM_{n}") for n in (209, 210, 211)], hidden_size=STATE)
    x = s.node("Relu", s.node("Squeeze", x, s.constant([1], np.int64)))
    x = s.node("Conv", s.node("Transpose", x, perm=[1, 2, 0]), weights.raw("output.weight"), weights.raw("output.bias"))
    s.rename(s.node("Sigmoid", s.node("Squeeze", x, s.constant([1], np.int64))), "speech")
    return s.bytes({"frames": ["N", "T", FRAME]}, {"speech": ["N", "T"]})
