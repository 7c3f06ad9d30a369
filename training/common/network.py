"""How networks of the pack are stored, and the checks that each must pass before it is one."""

import time
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from .images import session


def halve(model: onnx.ModelProto) -> None:
    """Stores the large weights as float16 behind a Cast, which a runtime evaluates once, when it loads the file."""
    casts = []
    for weight in model.graph.initializer:
        values = numpy_helper.to_array(weight)
        if values.dtype == np.float32 and values.size > 256:
            stored = f"{weight.name}_half"
            casts.append(helper.make_node("Cast", [stored], [weight.name], to=onnx.TensorProto.FLOAT))
            weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), stored))
    nodes = casts + list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def check(file: Path, shape: tuple[int, ...], tolerance: float = 1e-4) -> dict:
    """Loads the network and raises ValueError unless it has a stated opset, standard operators alone, a dynamic batch, and
    rows that do not depend on their neighbours. shape is that of one row of its input. Returns the facts for the log."""
    model = onnx.load(file)
    onnx.checker.check_model(model, full_check=True)
    foreign = sorted({n.domain for n in model.graph.node} - {"", "ai.onnx"})
    if foreign:
        raise ValueError(f"{file}: operators of {foreign}; only those of the ONNX standard are allowed")
    if not model.graph.input[0].type.tensor_type.shape.dim[0].dim_param:
        raise ValueError(f"{file}: the batch is fixed; export it with a dynamic first axis")
    start = time.perf_counter()
    net = session(file)
    load_ms = (time.perf_counter() - start) * 1000
    name = net.get_inputs()[0].name
    rows = np.random.default_rng(0).uniform(-1, 1, (3, *shape)).astype(np.float32)
    together = net.run(None, {name: rows})
    for i in range(len(rows)):
        for a, b in zip(net.run(None, {name: rows[i:i + 1]}), together):
            if np.abs(a[0] - b[i]).max() > tolerance * max(1.0, float(np.abs(b).max())):
                raise ValueError(f"{file}: row {i} differs when it is alone; the batch leaks between rows")
    return {"opset": model.opset_import[0].version, "bytes": file.stat().st_size, "load_ms": round(load_ms, 1)}


def milliseconds(file: Path, shape: tuple[int, ...], runs: int = 50, rounds: int = 5) -> float:
    """Time of one row on one thread: the mean of the best round, which other load on the machine affects least."""
    net = session(file)
    row = np.zeros((1, *shape), np.float32)
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(runs):
            net.run(None, {net.get_inputs()[0].name: row})
        best = min(best, (time.perf_counter() - start) * 1000 / runs)
    return best
