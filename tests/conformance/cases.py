"""Writes the ONNX project's operator tests into a folder, a folder each: model.onnx, test_data_set_0/{input,output}_N.pb.

Needs the Python package `onnx`, which holds them: some as files, the others as code.
"""
import os
import shutil
import sys

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper
from onnx.backend.test.case.node import collect_testcases

out = sys.argv[1]
data = os.path.join(os.path.dirname(onnx.__file__), "backend", "test", "data")
for kind in ("pytorch-operator", "pytorch-converted", "simple"):
    shutil.copytree(os.path.join(data, kind), out, dirs_exist_ok=True)

for case in collect_testcases(None):
    graph = case.model.graph
    if any(not v.type.HasField("tensor_type") for v in [*graph.input, *graph.output]):
        continue  # Sequences, maps, optional values.
    folder = os.path.join(out, case.name, "test_data_set_0")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(out, case.name, "model.onnx"), "wb") as file:
        file.write(case.model.SerializeToString())
    for kind, arrays, values in zip(("input", "output"), case.data_sets[0], (graph.input, graph.output)):
        for index, (array, value) in enumerate(zip(arrays, values)):
            tensor = array if isinstance(array, TensorProto) else numpy_helper.from_array(np.asarray(array), value.name)
            with open(os.path.join(folder, f"{kind}_{index}.pb"), "wb") as file:
                file.write(tensor.SerializeToString())
