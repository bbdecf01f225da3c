"""Files as Python's onnx package writes them, for test/model/onnx-file.test.ts.

Run where that package is, and commit what comes out:
    python test/model/onnx-file-fixtures.py > test/model/onnx-file-fixtures.json
"""

import base64
import json
import os
import tempfile

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper as nh

FILES = {}
W = np.arange(6, dtype=np.float32).reshape(2, 3)


def value(name, shape, element=T.FLOAT):
    return h.make_tensor_value_info(name, element, shape)


def save(name, nodes, inputs, outputs, initializers=(), opset=17, ir=8, functions=(), imports=(), external=False):
    graph = h.make_graph(nodes, "graph", inputs, outputs, list(initializers))
    sets = [h.make_opsetid("", opset), *imports]
    model = h.make_model(graph, opset_imports=sets, producer_name="maker", functions=list(functions), ir_version=ir)
    h.set_model_props(model, {"author": "Ünal", "__proto__": "x"})
    model.doc_string = "what it is"
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.onnx")
        if external:
            onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
        else:
            onnx.save(model, path)
        for file in sorted(os.listdir(folder)):
            with open(os.path.join(folder, file), "rb") as data:
                key = name if file == "model.onnx" else f"{name}/{file}"
                FILES[key] = base64.b64encode(data.read()).decode()


X = value("x", ["batch", 2])
Y = value("y", ["batch", 3])
PRODUCT = h.make_node("MatMul", ["x", "w"], ["y"], name="product")

save("plain", [PRODUCT], [X], [Y], [nh.from_array(W, "w")])
save("external", [PRODUCT], [X], [Y], [nh.from_array(W, "w"), nh.from_array(np.arange(3), "unused")], external=True)
save("old", [PRODUCT], [X, value("w", [2, 3])], [Y], [nh.from_array(W, "w")], ir=3, opset=13)
save("half", [PRODUCT], [X], [Y], [nh.from_array(W.astype(np.float16), "w")])
save("half-unused", [PRODUCT], [X], [Y], [nh.from_array(W, "w"), nh.from_array(W.astype(np.float16), "w2")])
save("half-input", [h.make_node("Relu", ["x"], ["y"])], [value("x", [2], T.FLOAT16)], [value("y", [2], T.FLOAT16)])

save(
    "lists",
    [
        h.make_node("Add", ["h", "b"], ["y"], name="last"),
        h.make_node("MatMul", ["x", "w"], ["h"], name="first"),
        h.make_node("Constant", [], ["b"], value_floats=[1.0, 2.0, 3.0]),
        h.make_node("Constant", [], ["e"], value_ints=[2**63 - 1, -(2**63), 5]),
        h.make_node("Constant", [], ["s"], value=nh.from_array(np.array([True, False]), "t")),
        h.make_node("Constant", [], ["m"], value=nh.from_array(W.astype(np.float16), "t")),
    ],
    [value("x", [None, 2])],
    [value("y", [None, 3])],
    [
        h.make_tensor("w", T.FLOAT, [2, 3], W.flatten()),
        h.make_tensor("i8", T.INT8, [2], [-3, 4]),
        h.make_tensor("u8", T.UINT8, [2], [3, 255]),
        h.make_tensor("bool", T.BOOL, [2], [1, 0]),
        h.make_tensor("i64", T.INT64, [2], [-3, 2**62]),
        h.make_tensor("i32", T.INT32, [2], [-3, 4]),
        h.make_tensor("f64", T.DOUBLE, [2], [-3, 0.1]),
        h.make_tensor("none", T.FLOAT, [0, 5], []),
        h.make_tensor("scalar", T.FLOAT, [], [7]),
    ],
)

branch = lambda name, operator: h.make_graph(
    [h.make_node(operator, ["x"], [name])], name, [], [value(name, ["batch", 2])]
)
save(
    "control-flow",
    [h.make_node("If", ["flag"], ["y"], name="choose", then_branch=branch("a", "Neg"), else_branch=branch("b", "Relu"))],
    [X, value("flag", [], T.BOOL)],
    [value("y", ["batch", 2])],
)

linear = h.make_function(
    "own",
    "Linear",
    ["x", "w"],
    ["y"],
    [h.make_node("MatMul", ["x", "w"], ["t"]), h.make_node("LeakyRelu", ["t"], ["y"], name="leaky")],
    [h.make_opsetid("", 17)],
    attribute_protos=[h.make_attribute("alpha", 0.5)],
)
reference = linear.node[1].attribute.add()
reference.name, reference.ref_attr_name, reference.type = "alpha", "alpha", onnx.AttributeProto.FLOAT
twice = h.make_function(
    "own",
    "Twice",
    ["x", "w"],
    ["y"],
    [h.make_node("Linear", ["x", "w"], ["t"], domain="own"), h.make_node("Add", ["t", "t"], ["y"])],
    [h.make_opsetid("", 17), h.make_opsetid("own", 1)],
)
save(
    "functions",
    [
        h.make_node("Twice", ["x", "w"], ["y"], domain="own", name="block"),
        h.make_node("Linear", ["x", "w"], ["z"], domain="own", alpha=0.25),
    ],
    [X],
    [Y, value("z", ["batch", 3])],
    [nh.from_array(W, "w")],
    functions=[linear, twice],
    imports=[h.make_opsetid("own", 1)],
)

print(json.dumps(FILES, indent=2))
