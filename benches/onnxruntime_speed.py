"""Inferences a second of an ONNX model by ONNX Runtime, batch 1, on one thread."""

import sys
import time

import numpy
import onnxruntime

SECONDS = 2

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
(entry,) = session.get_inputs()
shape = [size if isinstance(size, int) else 1 for size in entry.shape]
numbers = numpy.random.default_rng(0).integers(0, 256, shape)
feed = {entry.name: numbers.astype(numpy.uint8 if "uint8" in entry.type else numpy.float32)}

session.run(None, feed)
count = 0
start = time.perf_counter()
while time.perf_counter() - start < SECONDS:
    session.run(None, feed)
    count += 1
print(count / (time.perf_counter() - start))
