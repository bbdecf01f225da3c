"""One or more small cases for every operator whose gradient Pangaea knows, one pack a family.

    python operators.py [family …]

`exported` lets PyTorch's exporter write the operator; `node` builds what the exporter does not write
(old or rare forms, asymmetric pads) and takes the reference from the PyTorch function beside it.
"""

import math
import sys

import torch
import torch.nn.functional as F
from pack import Pack, export, node_model
from torch import nn


class Function(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *inputs):
        return self.function(*inputs)


class First(nn.Module):
    """The sequence of outputs of a recurrent layer."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(x)[0]


def uniform(*shape, low=-1.0, high=1.0):
    return torch.rand(shape) * (high - low) + low


def apart(*shape):
    """Distinct values, none near zero: no kink is met, and a maximum is one element's alone."""
    count = math.prod(shape)
    return ((torch.randperm(count) - count // 2 + 0.5) / 7).reshape(shape).to(torch.float32)


class Family(Pack):
    def exported(self, case, operator, module, inputs, *, exporter="dynamo", opset=None, training=True):
        module = module if isinstance(module, nn.Module) else Function(module)
        module.train(training)
        for parameter in module.parameters():
            nn.init.uniform_(parameter, -0.6, 0.6)
        model = export(module, inputs, exporter=exporter, opset=opset)
        wanted = operator.split()
        found = {n.op_type for n in model.graph.node}
        assert set(wanted) <= found, f"{case}: {operator} is not among {found}"
        self.add(case, model, module, inputs, exporter=exporter, training=training)

    def node(self, case, operator, reference, inputs, attributes=None, *, constants=None, opset=22,
             training=True, randoms=()):
        given = {name: value for name, value in inputs.items() if value is not None}
        outputs = reference(*given.values())
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        model = node_model(operator, inputs, attributes, constants=constants, outputs=outputs, opset=opset)
        self.add(case, model, Function(reference), given, training=training, randoms=randoms)


def elementwise(pack):
    a, b = uniform(2, 3, 4), uniform(3, 1)
    for name, function in {"Add": torch.add, "Sub": torch.sub, "Mul": torch.mul}.items():
        pack.exported(f"{name} broadcast", name, function, {"a": a, "b": b})
        pack.exported(f"{name} broadcast left", name, function, {"a": b, "b": a})
    pack.exported("Div broadcast", "Div", torch.div, {"a": a, "b": uniform(4, low=1, high=2)})
    pack.exported("Neg", "Neg", torch.neg, {"x": a})
    pack.exported("Pow of a scalar", "Pow", lambda x: x**3, {"x": apart(3, 4)})
    pack.exported("Pow half", "Pow", lambda x: x**1.5, {"x": uniform(3, 4, low=0.5, high=2)})
    pack.exported("Pow broadcast", "Pow", torch.pow,
                  {"x": uniform(3, 4, low=0.5, high=2), "y": uniform(4, low=-2, high=3)})
    positive = uniform(3, 4, low=0.5, high=3)
    for name in ["Sqrt", "Log", "Exp", "Reciprocal"]:
        pack.exported(name, name, getattr(torch, name.lower()), {"x": positive})
    for name in ["Abs", "Sin", "Cos"]:
        pack.exported(name, name, getattr(torch, name.lower()), {"x": apart(3, 4)})
    pack.exported("Erf", "Erf", torch.erf, {"x": uniform(3, 4, low=-2, high=2)})
    pair = {"a": apart(3, 4), "b": apart(4) + 0.03}
    pack.exported("Min broadcast", "Min", torch.minimum, pair)
    pack.exported("Max broadcast", "Max", torch.maximum, pair)
    three = {"a": apart(3, 4), "b": apart(4) + 0.03, "c": apart(3, 1) - 0.04}
    pack.node("Min of three", "Min", lambda a, b, c: torch.minimum(torch.minimum(a, b), c), three)
    pack.node("Max of three", "Max", lambda a, b, c: torch.maximum(torch.maximum(a, b), c), three)
    pack.node("Sum of three", "Sum", lambda a, b, c: a + b + c, three)
    pack.node("Mean of three", "Mean", lambda a, b, c: (a + b + c) / 3, three)
    pack.exported("Clip", "Clip", lambda x: x.clamp(-0.5, 0.6), {"x": apart(3, 4)})
    pack.exported("Clip from below", "Clip", lambda x: x.clamp(min=0.3), {"x": apart(3, 4)})
    pack.exported("Where broadcast", "Where", lambda c, a, b: torch.where(c, a, b),
                  {"c": apart(2, 3, 1) > 0, "a": uniform(3, 4), "b": uniform(2, 1, 4)})
    pack.exported("masked_fill", "Where", lambda c, a: a.masked_fill(c, -2.0),
                  {"c": apart(3, 4) > 0, "a": uniform(3, 4)})
    pack.node("Identity", "Identity", lambda x: x * 1, {"x": a})
    pack.exported("Cast", "Cast", lambda x: (x.double() * 2).float(), {"x": a})
    pack.exported("Cast of a condition", "Cast", lambda x: x * (x > 0).float(), {"x": apart(3, 4)})


def activation(pack):
    x = {"x": apart(3, 5)}
    wide = {"x": apart(3, 5) * 4}
    for name, function in {
        "Relu": F.relu, "Sigmoid": torch.sigmoid, "Tanh": torch.tanh, "Softplus": F.softplus,
        "LeakyRelu": lambda v: F.leaky_relu(v, 0.2), "Elu": lambda v: F.elu(v, 1.3),
        "Selu": F.selu, "Celu": lambda v: F.celu(v, 1.3), "Softsign": F.softsign,
    }.items():
        pack.exported(name, name if name != "Softsign" else "Div", function, x)
    pack.exported("PRelu", "PRelu", nn.PReLU(4), {"x": apart(2, 4, 3)})
    pack.exported("Gelu", "Gelu", F.gelu, x, opset=20)
    pack.exported("Gelu tanh", "Gelu", lambda v: F.gelu(v, approximate="tanh"), x, opset=20)
    pack.exported("Gelu of opset 17", "Erf", F.gelu, x, exporter="legacy")
    pack.exported("HardSigmoid", "HardSigmoid", F.hardsigmoid, wide)
    pack.exported("HardSwish", "HardSwish", F.hardswish, wide)
    pack.exported("Silu", "Sigmoid Mul", F.silu, x)
    pack.exported("Mish", "Mish", F.mish, x)
    pack.exported("ReLU6", "Clip", F.relu6, wide)
    pack.exported("Hardtanh", "Clip", lambda v: F.hardtanh(v, -0.4, 0.7), x)
    pack.exported("GLU", "Split Sigmoid", lambda v: F.glu(v, -1), {"x": apart(3, 6)})
    pack.node("ThresholdedRelu", "ThresholdedRelu", lambda v: F.threshold(v, 0.7, 0.0), x, {"alpha": 0.7})
    pack.node("Swish of opset 24", "Swish", lambda v: v * torch.sigmoid(1.5 * v), x, {"alpha": 1.5}, opset=24)


def matmul(pack):
    pack.exported("MatMul", "MatMul", torch.matmul, {"a": uniform(3, 4), "b": uniform(4, 2)})
    pack.exported("MatMul batched", "MatMul", torch.matmul, {"a": uniform(2, 3, 4), "b": uniform(2, 4, 2)})
    pack.exported("MatMul broadcast", "MatMul", torch.matmul,
                  {"a": uniform(2, 1, 3, 4), "b": uniform(3, 4, 2)})
    pack.exported("MatMul with a vector", "MatMul", torch.matmul, {"a": uniform(2, 3, 4), "b": uniform(4)})
    pack.exported("MatMul from a vector", "MatMul", torch.matmul, {"a": uniform(3), "b": uniform(2, 3, 4)})
    pack.exported("MatMul of vectors", "MatMul", torch.matmul, {"a": uniform(3), "b": uniform(3)})
    pack.exported("Linear", "Gemm", nn.Linear(4, 3), {"x": uniform(5, 4)})
    pack.exported("Linear of three axes", "MatMul", nn.Linear(4, 3), {"x": uniform(2, 5, 4)})
    pack.exported("addmm", "Gemm", lambda c, a, b: torch.addmm(c, a, b, beta=0.5, alpha=2),
                  {"c": uniform(2), "a": uniform(3, 4), "b": uniform(4, 2)})
    for ta in (0, 1):
        for tb in (0, 1):
            pack.node(f"Gemm transA={ta} transB={tb}", "Gemm",
                      lambda a, b, c, ta=ta, tb=tb: 1.5 * (a.T if ta else a) @ (b.T if tb else b) + 0.5 * c,
                      {"a": uniform(*((4, 3) if ta else (3, 4))), "b": uniform(*((2, 4) if tb else (4, 2))),
                       "c": uniform(3, 1)}, {"transA": ta, "transB": tb, "alpha": 1.5, "beta": 0.5})
    for name, equation, shapes in [
        ("batched product", "bij,bjk->bik", [(2, 3, 4), (2, 4, 2)]),
        ("attention scores", "bqhd,bkhd->bhqk", [(2, 3, 2, 4), (2, 5, 2, 4)]),
        ("outer", "i,j->ij", [(3,), (4,)]),
        ("sum over an axis of one", "ij,jk->k", [(3, 4), (4, 2)]),
        ("bilinear", "bi,oij,bj->bo", [(3, 2), (2, 2, 4), (3, 4)]),
        ("transpose", "ijk->kij", [(2, 3, 4)]),
    ]:
        inputs = {"abc"[i]: uniform(*shape) for i, shape in enumerate(shapes)}
        pack.node(f"Einsum {name}", "Einsum", lambda *v, e=equation: torch.einsum(e, *v), inputs,
                  {"equation": equation})


def shape(pack):
    x = uniform(2, 3, 4)
    one = {"x": x}
    for name, operator, function in [
        ("Reshape", "Reshape", lambda v: v.reshape(3, -1) ** 2),
        ("Flatten", "Reshape", lambda v: torch.flatten(v, 1) ** 2),
        ("Squeeze", "Squeeze", lambda v: v.unsqueeze(1).squeeze(1) ** 2),
        ("Unsqueeze", "Unsqueeze", lambda v: v.unsqueeze(-1) ** 2),
        ("Transpose", "Transpose", lambda v: v.permute(2, 0, 1) ** 2),
        ("Concat", "Concat", lambda v: torch.cat([v, v * 2, v[:, :, :1]], 2)),
        ("stack", "Concat", lambda v: torch.stack([v, v * v], 1)),
        ("Slice", "Slice", lambda v: v[:, 1:, ::2]),
        ("Slice backwards", "Slice", lambda v: v.flip(1, 2)),
        ("Pad", "Pad", lambda v: F.pad(v, (1, 2, 0, 1), value=0.5)),
        ("Pad negative", "Pad", lambda v: F.pad(v, (-1, 2))),
        ("Pad reflect", "Pad", lambda v: F.pad(v, (2, 1), mode="reflect")),
        ("Pad replicate", "Pad", lambda v: F.pad(v, (2, 1), mode="replicate")),
        ("Expand", "Expand", lambda v: v[:, :1].expand(2, 5, 4)),
        ("Tile", "Tile", lambda v: v.repeat(2, 1, 1, 3)),
        ("Trilu", "Trilu", lambda v: torch.tril(v)),
        ("Trilu upper", "Trilu", lambda v: torch.triu(v, 1)),
        ("CumSum", "CumSum", lambda v: torch.cumsum(v, 1)),
    ]:
        pack.exported(name, operator, function, one)
    pack.exported("Split", "Split", lambda v: v.split([1, 3], 2), one)
    pack.exported("Split, one used", "Split", lambda v: v.chunk(2, 2)[1] * 3, one)
    pack.exported("chunk by arithmetic on shapes", "Slice Shape", lambda v: v.chunk(2, 2)[1] * 3, one,
                  exporter="legacy")
    pack.node("Split evenly", "Split", lambda v: v.chunk(2, 2), one, {"axis": 2, "num_outputs": 2})
    pack.node("Flatten node", "Flatten", lambda v: v.reshape(6, 4), one, {"axis": 2})
    pack.node("Squeeze all", "Squeeze", lambda v: v.reshape(2, 3), {"x": uniform(1, 2, 1, 3)})
    pack.node("Reshape keeps", "Reshape", lambda v: v.reshape(2, 12), one,
              constants={"s": torch.tensor([0, -1])})
    pack.node("Pad inner axes", "Pad", lambda v: F.pad(v, (0, 0, 2, 1)), one,
              constants={"p": torch.tensor([2, 1]), "v": torch.tensor(0.0), "a": torch.tensor([1])})


def gather(pack):
    x = uniform(4, 3)
    index = torch.tensor([[0, 2], [2, 1]])
    pack.exported("Embedding", "Gather", nn.Embedding(5, 3), {"ids": torch.tensor([[0, 4, 4], [2, 0, 1]])})
    pack.exported("index_select", "Gather", lambda v, i: v.index_select(1, i),
                  {"x": x, "i": torch.tensor([2, 0, 2, 2])})
    pack.node("Gather negative", "Gather", lambda v: v[[-1, 0, -2]], {"x": x},
              {"axis": 0}, constants={"i": torch.tensor([-1, 0, -2])})
    pack.node("Gather one", "Gather", lambda v: v[:, 1], {"x": x}, {"axis": 1}, constants={"i": torch.tensor(1)})
    pack.exported("GatherElements", "GatherElements", lambda v, i: v.gather(1, i), {"x": x, "i": index})
    pack.node("GatherND", "GatherND", lambda v, i: v[i[:, 0], i[:, 1]],
              {"x": uniform(3, 4, 2), "i": torch.tensor([[0, 1], [2, 3], [0, 1]])})
    pack.node("GatherND batch", "GatherND", lambda v, i: torch.stack([v[b, i[b, 0]] for b in range(3)]),
              {"x": uniform(3, 4, 2), "i": torch.tensor([[1], [0], [3]])}, {"batch_dims": 1})
    pack.exported("ScatterND", "ScatterND", lambda v, u, i: v.index_put((i,), u),
                  {"x": x, "u": uniform(2, 3), "i": torch.tensor([3, 1])})
    pack.node("ScatterND add", "ScatterND", lambda v, i, u: v.index_put((i[:, 0],), u, accumulate=True),
              {"x": x, "i": torch.tensor([[3], [1], [3]]), "u": uniform(3, 3)}, {"reduction": "add"})
    pack.exported("ScatterElements", "ScatterElements", lambda v, i, u: v.scatter(1, i, u),
                  {"x": x, "i": torch.tensor([[0, 2], [1, 0]]), "u": uniform(2, 2)})
    pack.exported("ScatterElements add", "ScatterElements", lambda v, i, u: v.scatter_add(1, i, u),
                  {"x": x, "i": torch.tensor([[2, 2], [1, 0]]), "u": uniform(2, 2)})


def reduce(pack):
    one, distinct = {"x": uniform(2, 3, 4)}, {"x": apart(2, 3, 4)}
    for name, operator, function in [
        ("ReduceSum", "ReduceSum", lambda v: v.sum(1)),
        ("ReduceSum kept", "ReduceSum", lambda v: v.sum((0, 2), keepdim=True) * v),
        ("ReduceSum of all", "ReduceSum", lambda v: (v * v).sum()),
        ("ReduceMean", "ReduceMean", lambda v: v.mean((1, 2)) ** 2),
        ("ReduceMean of all", "ReduceMean", lambda v: (v * v).mean()),
        ("ReduceMax", "ReduceMax", lambda v: v.amax(1)),
        ("ReduceMin", "ReduceMin", lambda v: v.amin((0, 2), keepdim=True)),
        ("ReduceLogSumExp", "ReduceLogSumExp", lambda v: v.logsumexp(2)),
        ("ReduceProd", "ReduceProd", lambda v: v.prod(2)),
        ("norm", "ReduceL2", lambda v: v.norm(dim=1)),
        ("norm 1", "ReduceL1", lambda v: v.norm(p=1, dim=1)),
        ("variance", "ReduceMean", lambda v: v.var(2)),
        ("normalize", "ReduceL2", lambda v: F.normalize(v, dim=1)),
        ("Softmax", "Softmax", lambda v: F.softmax(v, -1)),
        ("Softmax of an inner axis", "Softmax", lambda v: F.softmax(v, 1)),
        ("LogSoftmax", "LogSoftmax", lambda v: F.log_softmax(v, -1)),
        ("LogSoftmax of an inner axis", "LogSoftmax", lambda v: F.log_softmax(v, 0)),
    ]:
        pack.exported(name, operator, function, distinct)
    for name, function in [
        ("ReduceSumSquare", lambda v: (v * v).sum((0, 2))),
        ("ReduceL1", lambda v: v.abs().sum((0, 2))),
        ("ReduceL2", lambda v: (v * v).sum((0, 2)).sqrt()),
        ("ReduceLogSum", lambda v: v.sum((0, 2)).log()),
    ]:
        positive = {"x": uniform(2, 3, 4, low=0.2, high=2)}
        pack.node(name, name, function, positive, {"keepdims": 0}, constants={"axes": torch.tensor([0, -1])})
    pack.node("ReduceMean of opset 13", "ReduceMean", lambda v: v.mean((0, 2)), one,
              {"axes": [0, 2], "keepdims": 0}, opset=13)
    pack.node("ReduceMax of opset 13", "ReduceMax", lambda v: v.amax(1, keepdim=True), distinct,
              {"axes": [-2]}, opset=13)


def window(pack):
    def conv2d(name, layer, size, **extra):
        pack.exported(name, "Conv", layer, {"x": uniform(*size)}, **extra)

    conv2d("Conv", nn.Conv2d(2, 3, 3, padding=1), (2, 2, 5, 4))
    conv2d("Conv stride", nn.Conv2d(2, 3, 3, stride=2, padding=1), (2, 2, 6, 5))
    conv2d("Conv stride that leaves a rest", nn.Conv2d(2, 3, 2, stride=3), (2, 2, 7, 6))
    conv2d("Conv dilation", nn.Conv2d(2, 2, (3, 2), dilation=(2, 3)), (2, 2, 7, 6))
    conv2d("Conv stride and dilation", nn.Conv2d(2, 2, 3, stride=2, dilation=2, padding=2), (2, 2, 8, 7))
    conv2d("Conv groups", nn.Conv2d(4, 6, 3, groups=2, padding=1), (2, 4, 4, 4))
    conv2d("Conv depthwise", nn.Conv2d(3, 3, 3, groups=3, padding=1, stride=2), (2, 3, 6, 6))
    conv2d("Conv depthwise times two", nn.Conv2d(3, 6, 3, groups=3, bias=False), (2, 3, 5, 5))
    conv2d("Conv pointwise", nn.Conv2d(3, 4, 1), (2, 3, 3, 4))
    conv2d("Conv 1-D", nn.Conv1d(2, 3, 3, stride=2, padding=1), (2, 2, 7))
    conv2d("Conv 1-D groups", nn.Conv1d(4, 4, 3, groups=2, dilation=2), (2, 4, 8))
    conv2d("Conv legacy", nn.Conv2d(2, 3, 3, bias=False), (2, 2, 5, 5), exporter="legacy")
    w, b, x = uniform(3, 2, 3, 2), uniform(3), uniform(2, 2, 5, 6)
    pack.node("Conv asymmetric pads", "Conv",
              lambda x, w, b: F.conv2d(F.pad(x, (1, 0, 0, 2)), w, b, stride=(2, 1)),
              {"x": x, "w": w, "b": b}, {"pads": [0, 1, 2, 0], "strides": [2, 1]})
    pack.node("Conv SAME_UPPER", "Conv", lambda x, w: F.conv2d(F.pad(x, (0, 0, 1, 1)), w, stride=2),
              {"x": x, "w": w}, {"auto_pad": "SAME_UPPER", "strides": [2, 2]})
    pack.node("Conv SAME_LOWER", "Conv", lambda x, w: F.conv2d(F.pad(x, (1, 0, 1, 1)), w),
              {"x": x, "w": w}, {"auto_pad": "SAME_LOWER"})
    for name, layer, size in [
        ("ConvTranspose", nn.ConvTranspose2d(3, 2, 3, stride=2, padding=1, output_padding=1), (2, 3, 3, 4)),
        ("ConvTranspose groups", nn.ConvTranspose2d(4, 4, 2, groups=2, stride=2), (2, 4, 3, 2)),
        ("ConvTranspose dilation", nn.ConvTranspose2d(2, 3, (2, 3), dilation=2, bias=False), (2, 2, 3, 3)),
        ("ConvTranspose 1-D", nn.ConvTranspose1d(2, 3, 4, stride=2, padding=1), (2, 2, 5)),
    ]:
        pack.exported(name, "ConvTranspose", layer, {"x": uniform(*size)})
    pools(pack)


def pools(pack):
    image, line = {"x": apart(2, 2, 6, 5)}, {"x": apart(2, 3, 8)}
    for name, operator, function, inputs in [
        ("MaxPool", "MaxPool", lambda v: F.max_pool2d(v, 2), image),
        ("MaxPool overlapping", "MaxPool", lambda v: F.max_pool2d(v, 3, 2, 1), image),
        ("MaxPool ceil", "MaxPool", lambda v: F.max_pool2d(v, 2, 2, ceil_mode=True), image),
        ("MaxPool dilation", "MaxPool", lambda v: F.max_pool2d(v, 2, 1, dilation=2), image),
        ("MaxPool 1-D", "MaxPool", lambda v: F.max_pool1d(v, 3, 2), line),
        ("AveragePool", "AveragePool", lambda v: F.avg_pool2d(v, 2), image),
        ("AveragePool counts pads", "AveragePool", lambda v: F.avg_pool2d(v, 3, 2, 1), image),
        ("AveragePool leaves pads out", "AveragePool",
         lambda v: F.avg_pool2d(v, 3, 2, 1, count_include_pad=False), image),
        ("AveragePool 1-D", "AveragePool", lambda v: F.avg_pool1d(v, 3, 2, 1), line),
        ("AveragePool ceil", "AveragePool",
         lambda v: F.avg_pool2d(v, 2, 2, ceil_mode=True, count_include_pad=False), image),
    ]:
        pack.exported(name, operator, function, inputs)
    pack.exported("GlobalAveragePool", "GlobalAveragePool", lambda v: F.adaptive_avg_pool2d(v, 1), image,
                  exporter="legacy")
    pack.exported("mean of a plane", "ReduceMean", lambda v: F.adaptive_avg_pool2d(v, 1), image)
    pack.node("GlobalMaxPool", "GlobalMaxPool", lambda v: v.amax((2, 3), keepdim=True), image)
    pack.node("GlobalMaxPool 1-D", "GlobalMaxPool", lambda v: v.amax(2, keepdim=True), line)
    pack.exported("adaptive MaxPool", "MaxPool", lambda v: F.adaptive_max_pool2d(v, 1), image,
                  exporter="legacy")
    pack.node("MaxPool asymmetric pads", "MaxPool",
              lambda v: F.max_pool2d(F.pad(v, (1, 0, 0, 1), value=-9e9), 2, 2), image,
              {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [0, 1, 1, 0]})
    pack.node("AveragePool SAME_UPPER", "AveragePool",
              lambda v: F.avg_pool2d(F.pad(v, (0, 1)), 2, 2)
              / F.avg_pool2d(F.pad(torch.ones_like(v), (0, 1)), 2, 2), image,
              {"kernel_shape": [2, 2], "strides": [2, 2], "auto_pad": "SAME_UPPER"})


def normalise(pack):
    image = {"x": uniform(3, 4, 3, 2)}
    for exporter in ("dynamo", "legacy"):
        pack.exported(f"BatchNormalization {exporter}", "BatchNormalization", nn.BatchNorm2d(4), image,
                      exporter=exporter)
        pack.exported(f"InstanceNormalization {exporter}", "InstanceNormalization",
                      nn.InstanceNorm2d(4, affine=True), image, exporter=exporter)
        pack.exported(f"GroupNormalization {exporter}", "InstanceNormalization", nn.GroupNorm(2, 4), image,
                      exporter=exporter)
        pack.exported(f"LayerNormalization {exporter}", "LayerNormalization", nn.LayerNorm(4),
                      {"x": uniform(2, 3, 4)}, exporter=exporter)
    pack.exported("BatchNormalization 1-D", "BatchNormalization", nn.BatchNorm1d(4, momentum=0.3),
                  {"x": uniform(5, 4)}, exporter="legacy")
    pack.exported("BatchNormalization judging", "BatchNormalization", nn.BatchNorm2d(4), image, training=False)
    pack.exported("GroupNormalization", "GroupNormalization", nn.GroupNorm(2, 4), image, opset=21)
    pack.exported("LayerNormalization of two axes", "LayerNormalization", nn.LayerNorm((3, 4)),
                  {"x": uniform(2, 3, 4)})
    pack.exported("LayerNormalization without bias", "LayerNormalization", nn.LayerNorm(4, bias=False),
                  {"x": uniform(2, 3, 4)})
    pack.exported("LayerNormalization of opset 13", "ReduceMean", nn.LayerNorm(4), {"x": uniform(2, 3, 4)},
                  exporter="legacy", opset=13)
    pack.exported("RMS norm", "ReduceMean", nn.RMSNorm(4, eps=1e-5), {"x": uniform(2, 3, 4)})
    pack.exported("RMSNormalization of opset 23", "RMSNormalization", nn.RMSNorm(4, eps=1e-5),
                  {"x": uniform(2, 3, 4)}, opset=23)
    drawn = uniform(3, 4, low=0)
    pack.node("Dropout", "Dropout", lambda v: v * (drawn >= 0.4) / 0.6, {"x": uniform(3, 4)},
              constants={"ratio": torch.tensor(0.4), "mode": torch.tensor(True)}, randoms=[drawn])
    pack.node("Dropout judging", "Dropout", lambda v: v * 1.0, {"x": uniform(3, 4)},
              constants={"ratio": torch.tensor(0.4)}, training=False)


def recurrent(pack):
    x = {"x": uniform(2, 4, 3)}
    for exporter in ("dynamo", "legacy"):
        for kind in (nn.LSTM, nn.GRU):
            name = kind.__name__
            pack.exported(f"{name} {exporter}", name, First(kind(3, 2, batch_first=True)), x, exporter=exporter)
            pack.exported(f"{name} in both directions, {exporter}", name,
                          First(kind(3, 2, bidirectional=True)), x, exporter=exporter)
    pack.exported("LSTM without bias", "LSTM", First(nn.LSTM(3, 2, bias=False)), x)
    for name, layer in [("LSTM", nn.LSTM(3, 2)), ("GRU", nn.GRU(3, 2))]:
        recurrent_node(pack, name, layer, reverse=False)
        recurrent_node(pack, name, layer, reverse=True)


def recurrent_node(pack, name, layer, *, reverse):
    """The operator itself with every input; ONNX orders gates iofc and zrh, PyTorch ifgo and rzn."""
    lstm = name == "LSTM"
    order = [0, 3, 1, 2] if lstm else [1, 0, 2]
    back = [order.index(i) for i in range(len(order))]

    def torch_order(weights):
        return torch.cat([weights.chunk(len(order))[i] for i in back])

    gates = len(order) * 2
    inputs = {"x": uniform(4, 2, 3), "w": uniform(1, gates, 3), "r": uniform(1, gates, 2),
              "b": uniform(1, 2 * gates), "lengths": None, "h": uniform(1, 2, 2)}
    if lstm:
        inputs["c"] = uniform(1, 2, 2)

    def reference(x, w, r, b, h, c=None):
        weights = {"weight_ih_l0": torch_order(w[0]), "weight_hh_l0": torch_order(r[0]),
                   "bias_ih_l0": torch_order(b[0, :gates]), "bias_hh_l0": torch_order(b[0, gates:])}
        y, last = torch.func.functional_call(
            layer, weights, (x.flip(0) if reverse else x, (h, c) if lstm else h))
        y = (y.flip(0) if reverse else y).unsqueeze(1)
        return (y, *last) if lstm else (y, last)

    attributes = {"hidden_size": 2, "direction": "reverse" if reverse else "forward"}
    if not lstm:
        attributes["linear_before_reset"] = 1
    pack.node(f"{name} node {attributes['direction']}", name, reference, inputs, attributes)


def attention(pack):
    q, k, v = uniform(2, 2, 3, 4), uniform(2, 2, 5, 4), uniform(2, 2, 5, 4)
    three = {"q": q, "k": k, "v": v}
    same = {"q": uniform(2, 2, 4, 4), "k": uniform(2, 2, 4, 4), "v": uniform(2, 2, 4, 4)}
    pack.exported("scaled dot product", "MatMul Softmax", F.scaled_dot_product_attention, three)
    pack.exported("scaled dot product, causal", "MatMul Softmax",
                  lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True), same)
    pack.exported("scaled dot product, masked", "MatMul Softmax",
                  lambda q, k, v, m: F.scaled_dot_product_attention(q, k, v, attn_mask=m),
                  three | {"m": apart(3, 5) > -1})
    pack.exported("transformer layer", "LayerNormalization Softmax",
                  nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True, norm_first=True),
                  {"x": uniform(2, 3, 4)})
    pack.node("Attention of opset 23", "Attention", F.scaled_dot_product_attention, three, opset=23)
    pack.node("Attention of opset 23, causal", "Attention",
              lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True), same,
              {"is_causal": 1}, opset=23)


FAMILIES = {f.__name__: f for f in (
    elementwise, activation, matmul, shape, gather, reduce, window, normalise, recurrent, attention)}

if __name__ == "__main__":
    for name in sys.argv[1:] or FAMILIES:
        torch.manual_seed(len(name))
        pack = Family(name)
        FAMILIES[name](pack)
        pack.save()
