"""Makes the cases beside it: small networks, quantized to operators on codes by ONNX Runtime, with the outputs that it gives."""
import os
import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

here = os.path.dirname(os.path.abspath(__file__))
random = np.random.default_rng(1)
real = lambda *shape: random.normal(size=shape, scale=0.5).astype(np.float32)
constant = lambda name, array: numpy_helper.from_array(array, name)
value = lambda name, shape=None: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

def network(shape, nodes, constants):
    graph = helper.make_graph(nodes, "quantized", [value("x", shape)], [value("y")], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)

n = helper.make_node
residual = network([1, 3, 8, 8], [
    n("Conv", ["x", "w1", "b1"], ["c1"], kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2]),
    n("Relu", ["c1"], ["r1"]),
    n("Conv", ["r1", "w2", "b2"], ["c2"], kernel_shape=[3, 3], pads=[1, 1, 1, 1], group=4),
    n("Add", ["c2", "r1"], ["a"]),
    n("MaxPool", ["a"], ["m"], kernel_shape=[2, 2]),
    n("Conv", ["m", "w3"], ["c3"], kernel_shape=[1, 1]),
    n("GlobalAveragePool", ["c3"], ["g"]),
    n("Flatten", ["g"], ["f"]),
    n("Gemm", ["f", "w4", "b4"], ["y"], transB=1),
], [constant("w1", real(4, 3, 3, 3)), constant("b1", real(4)), constant("w2", real(4, 1, 3, 3)), constant("b2", real(4)),
    constant("w3", real(6, 4, 1, 1)), constant("w4", real(5, 6)), constant("b4", real(5))])
branches = network([1, 4, 6, 6], [
    n("Conv", ["x", "w1"], ["c"], kernel_shape=[1, 1]),
    n("LeakyRelu", ["c"], ["l"], alpha=0.1),
    n("Conv", ["x", "w2"], ["d"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    n("Sigmoid", ["d"], ["s"]),
    n("Mul", ["l", "s"], ["p"]),
    n("Concat", ["p", "x"], ["j"], axis=1),
    n("AveragePool", ["j"], ["y"], kernel_shape=[2, 2], strides=[2, 2]),
], [constant("w1", real(4, 4, 1, 1)), constant("w2", real(4, 4, 3, 3))])
dense = network([1, 12], [
    n("MatMul", ["x", "w1"], ["m"]),
    n("Relu", ["m"], ["r"]),
    n("MatMul", ["r", "w2"], ["n"]),
    n("Softmax", ["n"], ["y"], axis=-1),
], [constant("w1", real(12, 8)), constant("w2", real(8, 4))])

class Reader(CalibrationDataReader):
    def __init__(self, items):
        self.items = iter([{"x": item} for item in items])
    def get_next(self):
        return next(self.items, None)

def save(name, model, x):
    folder = os.path.join(here, name)
    os.makedirs(os.path.join(folder, "test_data_set_0"), exist_ok=True)
    del model.metadata_props[:]
    open(os.path.join(folder, "model.onnx"), "wb").write(model.SerializeToString())
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    y = ort.InferenceSession(model.SerializeToString(), options).run(None, {"x": x})[0]
    for kind, name_, array in [("input_0", "x", x), ("output_0", "y", y)]:
        path = os.path.join(folder, "test_data_set_0", kind + ".pb")
        open(path, "wb").write(numpy_helper.from_array(array, name_).SerializeToString())

for name, model, shape in [("residual", residual, (1, 3, 8, 8)), ("branches", branches, (1, 4, 6, 6)), ("dense", dense, (1, 12))]:
    for kind in [QuantType.QUInt8, QuantType.QInt8]:
        inputs = [real(*shape) for _ in range(8)]
        onnx.save(model, "/tmp/float.onnx")
        # Weights of 7 bits: sums of products of uint8 and int8 saturate in ONNX Runtime on some processors.
        quantize_static("/tmp/float.onnx", "/tmp/q.onnx", Reader(inputs), quant_format=QuantFormat.QOperator,
                        activation_type=kind, weight_type=QuantType.QInt8, per_channel=True, reduce_range=True)
        quantized = onnx.load("/tmp/q.onnx")
        print(name, kind, [node.op_type for node in quantized.graph.node])
        save(f"{name}_{kind.name[1:].lower()}", quantized, inputs[0])

# Codes in, codes out: the quantizers at both ends are cut off.
quantized = onnx.load(os.path.join(here, "residual_uint8", "model.onnx"))
graph = quantized.graph
first, last = graph.node[0], graph.node[-1]
assert first.op_type == "QuantizeLinear" and last.op_type == "DequantizeLinear"
scales = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
for node in graph.node:
    node.input[:] = ["x" if i == first.output[0] else i for i in node.input]
    node.output[:] = ["y" if o == last.input[0] else o for o in node.output]
del graph.node[-1], graph.node[0]
graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
graph.output[0].type.tensor_type.elem_type = TensorProto.UINT8
save("residual_codes", quantized, random.integers(0, 256, (1, 3, 8, 8)).astype(np.uint8))
