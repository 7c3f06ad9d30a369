"""Searches the vectors of its standard input with faiss and usearch, each on one thread.

The input begins with --rows vectors of --dimension little-endian float32 of length 1. Lines of JSON follow: the name of an
index, k, and the probes as base64 of vectors. The answer has the positions and scores of the K best of each probe, and what the search took.
"""

import argparse
import base64
import json
import sys
import time

import faiss
import numpy as np
import usearch.index

parser = argparse.ArgumentParser()
parser.add_argument("--rows", type=int, required=True)
parser.add_argument("--dimension", type=int, required=True)
parser.add_argument("--graph-rows", type=int, required=True, help="of these first rows a graph (HNSW) is built, too")
args = parser.parse_args()

faiss.omp_set_num_threads(1)
CHUNK = 10_000

flat = faiss.IndexFlatIP(args.dimension)
graph = faiss.IndexHNSWFlat(args.dimension, 32, faiss.METRIC_INNER_PRODUCT)
graph.hnsw.efSearch = 64
building = 0.0
for begin in range(0, args.rows, CHUNK):
    n = min(CHUNK, args.rows - begin)
    vectors = np.frombuffer(sys.stdin.buffer.read(4 * n * args.dimension), "<f4").reshape(n, args.dimension)
    flat.add(vectors)
    if (rest := args.graph_rows - begin) > 0:
        start = time.process_time()
        graph.add(vectors[:rest])
        building += time.process_time() - start
matrix = faiss.rev_swig_ptr(flat.get_xb(), args.rows * args.dimension).reshape(args.rows, args.dimension)  # without a copy


def usearch_exact(probes, k):
    found = usearch.index.search(matrix, probes, k, usearch.index.MetricKind.IP, exact=True, threads=1)
    if len(probes) == 1:
        return 1 - np.atleast_2d(found.distances), np.atleast_2d(found.keys)
    return 1 - found.distances, found.keys


SEARCHES = {"faiss IndexFlatIP": flat.search, "faiss IndexHNSWFlat": graph.search, "usearch exact": usearch_exact}

print(json.dumps({"ready": True, "building": building}), flush=True)
for line in sys.stdin.buffer:
    order = json.loads(line)
    probes = np.frombuffer(base64.b64decode(order["probes"]), "<f4").reshape(-1, args.dimension)
    wall, cpu = time.perf_counter(), time.process_time()
    scores, positions = SEARCHES[order["index"]](probes, order["k"])
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(json.dumps({"wall": wall, "cpu": cpu, "positions": positions.tolist(), "scores": np.asarray(scores).tolist()}), flush=True)
