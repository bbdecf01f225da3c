"""Reference cases for test/model/oracle.test.ts: a model, what it is fed, and what PyTorch makes of it.

The format is written down in README.md. A case is measured here: outputs, loss, gradients of every float
input and of every parameter, state after the step.
"""

import base64
import contextlib
import copy
import io
import json
import logging
import pathlib
import struct
import warnings

import numpy as np
import onnx
import onnxruntime
import torch

FOLDER = pathlib.Path(__file__).parent.parent / "fixtures" / "onnx"
# Gradients with more elements are stored as samples.
WHOLE, SAMPLES, STRIDE = 128, 32, 7919

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)
torch.set_num_threads(1)


class Pack:
    """The cases of one `.safetensors` file."""

    def __init__(self, name):
        self.name = name
        self.tensors = {}
        self.metadata = {"torch": torch.__version__.split("+")[0], "onnx": onnx.__version__}

    def add(self, case, model, module, inputs, *, loss="weighted", labels=None, exporter=None,
            training=True, randoms=(), file=False):
        """`module(*inputs)` is the reference of `model`, whose inputs and initializers bear the same names."""
        assert f"{case}/model" not in self.metadata and f"{case}/about" not in self.metadata, case
        onnx.checker.check_model(model)
        generator = torch.Generator().manual_seed(len(case))
        for name, value in inputs.items():
            self.put(case, "input", name, value)
        for index, value in enumerate(randoms):
            self.put(case, "random", str(index), value)
        given = {
            name: value.clone().requires_grad_(value.is_floating_point())
            for name, value in inputs.items()
        }
        before = copy.deepcopy(module)
        count_elements(module)
        outputs = module(*given.values())
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        names = [value.name for value in model.graph.output]
        total = torch.zeros(())
        for name, value in zip(names, outputs):
            if loss == "weighted":
                weights = torch.rand(value.shape, generator=generator) * 2 - 1
                self.put(case, "weight", name, weights)
                total = total + (value * weights).sum()
            if value.numel() <= 2 * WHOLE:
                self.put(case, "output", name, value)
        if not {"BatchNormalization", "Dropout"} & {node.op_type for node in model.graph.node}:
            self.forward_agrees(case, model, inputs, outputs)
        if loss == "cross-entropy":
            self.put(case, "labels", "", labels)
            logits = outputs[0].reshape(-1, outputs[0].shape[-1])
            total = torch.nn.functional.cross_entropy(logits, labels.reshape(-1))
        total.backward()
        self.put(case, "loss", "", total)
        present = {value.name for value in model.graph.initializer}
        for name, value in (given | dict(module.named_parameters())).items():
            if value.grad is None:
                continue
            assert name in inputs or name in present, f"{case}: the file has no {name}: {sorted(present)}"
            self.put_gradient(case, name, value.grad)
        if training:
            for name, value in running_averages(before, module):
                self.put(case, "state", name, value)
        about = {
            "operators": sorted({node.op_type for node in model.graph.node}),
            "exporter": exporter or "none",
            "training": training,
            "loss": loss,
        }
        self.metadata[f"{case}/about"] = json.dumps(about)
        clean(model)
        if file:
            (FOLDER / f"{case}.onnx").write_bytes(model.SerializeToString())
        else:
            self.metadata[f"{case}/model"] = base64.b64encode(model.SerializeToString()).decode()

    def forward_agrees(self, case, model, inputs, outputs):
        """The file computes what the module does; otherwise a case would test nothing."""
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        for mine, theirs in zip(session.run(None, {n: v.numpy() for n, v in inputs.items()}), outputs):
            torch.testing.assert_close(torch.tensor(mine), theirs.detach(), rtol=1e-4, atol=1e-5, msg=case)

    def put(self, case, kind, name, value):
        value = value.detach().to(torch.float32).contiguous().numpy()
        self.tensors[f"{case}/{kind}/{name}".rstrip("/")] = value

    def put_gradient(self, case, name, value):
        flat = value.reshape(-1)
        if flat.numel() <= WHOLE:
            return self.put(case, "gradient", name, value)
        chosen = flat[(torch.arange(SAMPLES) * STRIDE) % flat.numel()]
        self.put(case, "samples", name, chosen)
        self.put(case, "scale", name, torch.stack([flat.abs().max(), flat.norm()]))

    def save(self):
        """https://github.com/huggingface/safetensors: header length, JSON header, data."""
        header, end = {"__metadata__": self.metadata}, 0
        for name, value in self.tensors.items():
            start, end = end, end + value.nbytes
            header[name] = {"dtype": "F32", "shape": value.shape, "data_offsets": [start, end]}
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        data = b"".join(value.astype("<f4").tobytes() for value in self.tensors.values())
        FOLDER.mkdir(parents=True, exist_ok=True)
        path = FOLDER / f"{self.name}.safetensors"
        path.write_bytes(struct.pack("<Q", len(text)) + text + data)
        print(f"{path.name}: {path.stat().st_size} bytes")


def count_elements(module):
    """Each batch norm will know over how many elements a channel it averaged."""
    for layer in module.modules():
        if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm):
            layer.register_forward_hook(
                lambda layer, given, _: setattr(layer, "elements", given[0].numel() // given[0].shape[1]))


def running_averages(before, after):
    """After the step, as ONNX defines them: the batch's variance is the population's. PyTorch takes the sample's,
    n / (n - 1) times that."""
    old = dict(before.named_buffers())
    for path, layer in after.named_modules():
        if not isinstance(layer, torch.nn.modules.batchnorm._BatchNorm):
            continue
        prefix = f"{path}." if path else ""
        yield f"{prefix}running_mean", layer.running_mean
        kept = (1 - layer.momentum) * old[f"{prefix}running_var"]
        yield f"{prefix}running_var", kept + (layer.running_var - kept) * (1 - 1 / layer.elements)


def clean(model):
    """Leaves out what only the machine of the export knows: stack traces with paths, notes."""
    del model.metadata_props[:], model.graph.metadata_props[:], model.graph.value_info[:]
    model.doc_string = model.graph.doc_string = ""
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in [*model.graph.input, *model.graph.output, *model.graph.initializer]:
        del value.metadata_props[:]
        value.doc_string = ""


def export(module, inputs, *, exporter="dynamo", opset=None, outputs=None, batch=None):
    """The module as PyTorch's own exporter writes it, parameters under the names that state_dict gives them.
    `exporter`: "dynamo"; "raw", the same before its optimiser; "default", as a call without options; "legacy",
    the one that traces. `batch`: axis 0 of inputs and outputs has this name."""
    args, names = tuple(inputs.values()), list(inputs)
    with contextlib.redirect_stdout(io.StringIO()):
        if exporter != "legacy":
            shapes = tuple({0: torch.export.Dim(batch)} for _ in names) if batch else None
            program = torch.onnx.export(
                module, args, dynamo=True, optimize=exporter == "default", input_names=names,
                output_names=outputs, dynamic_shapes=shapes, opset_version=opset, verbose=False)
            if exporter == "dynamo":
                optimise(program)
            model = program.model_proto
        else:
            file = io.BytesIO()
            mode = torch.onnx.TrainingMode
            torch.onnx.export(
                module, args, file, dynamo=False, do_constant_folding=False, input_names=names,
                output_names=outputs, opset_version=opset or 17,
                training=mode.TRAINING if module.training else mode.EVAL,
                dynamic_axes={name: {0: batch} for name in names + (outputs or [])} if batch else None)
            model = onnx.load_from_string(file.getvalue())
    start_as_the_file(module, model)
    return model


def start_as_the_file(module, model):
    """Tracing in training mode moves running averages; file and reference are to start from the same."""
    kept = module.state_dict()
    values = {i.name: onnx.numpy_helper.to_array(i) for i in model.graph.initializer if i.name in kept}
    module.load_state_dict({n: torch.from_numpy(v.copy()) for n, v in values.items()}, strict=False)


def optimise(program):
    """The exporter's optimiser, kept from folding parameters: inputs are not constants for it."""
    inputs = program.model.graph.inputs
    own = len(inputs)
    inputs.extend(program.model.graph.initializers.values())
    program.optimize()
    del inputs[own:]


def node_model(operator, inputs, attributes=None, *, constants=None, outputs=(), opset=22):
    """A model of one node. `constants` are initializers, `outputs` example values; an input that is None keeps
    the place of an optional one."""
    constants = constants or {}
    order = ["" if value is None else name for name, value in (inputs | constants).items()]
    names = [f"y{i}" for i in range(len(outputs))]
    node = onnx.helper.make_node(operator, order, names, name="node", **(attributes or {}))
    element = {torch.float32: 1, torch.int64: 7, torch.bool: 9, torch.int32: 6}
    graph = onnx.helper.make_graph(
        [node], "case",
        [onnx.helper.make_tensor_value_info(n, element[v.dtype], list(v.shape))
         for n, v in inputs.items() if v is not None],
        [onnx.helper.make_tensor_value_info(n, 1, list(v.shape)) for n, v in zip(names, outputs)],
        [onnx.numpy_helper.from_array(np.asarray(v), n) for n, v in constants.items() if v is not None])
    return onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=max(10, opset - 12),
        producer_name="oracle")
