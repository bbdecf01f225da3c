"""Models out of Keras and JAX, as their own exporters write them, with the gradients that those frameworks compute.

    KERAS_BACKEND=torch python frameworks.py

Both exporters write a model for inference: Keras keeps kernels where its torch backend has transposed them (names like
`onnx::Conv_12`), and jax2onnx calls them `const_1`. A gradient is stored under the file's name, in the file's order.
"""

import base64
import json
import os
import tempfile

os.environ["KERAS_BACKEND"] = "torch"

import jax
import jax.numpy as jnp
import keras
import numpy as np
import onnx
import torch
from flax import nnx
from jax2onnx import to_onnx
from pack import Pack, clean

BATCH, SIDE, CLASSES = 5, 14, 10


def images(seed):
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((BATCH, SIDE, SIDE, 1)).astype("float32")
    return x, generator.integers(0, CLASSES, BATCH)


def record(pack, case, model, given, results, gradients):
    """`given`: the input by its name, and labels. `results`: logits and loss. `gradients` by the file's names."""
    (name, x), labels = given
    logits, loss = results
    present = {i.name for i in model.graph.initializer} | {name}
    assert gradients.keys() <= present, f"{case}: the file has {sorted(present)}"
    as_torch = lambda value: torch.from_numpy(np.array(value, dtype="float32"))
    pack.put(case, "input", name, as_torch(x))
    pack.put(case, "labels", "", as_torch(labels))
    pack.put(case, "output", model.graph.output[0].name, as_torch(logits))
    pack.put(case, "loss", "", as_torch(loss))
    for key, value in gradients.items():
        pack.put_gradient(case, key, as_torch(value))
    pack.metadata[f"{case}/about"] = json.dumps({
        "operators": sorted({node.op_type for node in model.graph.node}),
        "exporter": "none", "training": True, "loss": "cross-entropy"})
    clean(model)
    pack.metadata[f"{case}/model"] = base64.b64encode(model.SerializeToString()).decode()


def initializer(model, value):
    """The name under which the file has this array."""
    for candidate in model.graph.initializer:
        array = onnx.numpy_helper.to_array(candidate)
        if array.shape == value.shape and np.allclose(array, value):
            return candidate.name
    raise AssertionError(f"no initializer is that array of shape {value.shape}")


def told_apart(value):
    """Biases begin as zeros and scales as ones: among several such initializers nobody can tell which is whose."""
    return np.unique(value).size > 1


def keras_case(pack):
    keras.utils.set_random_seed(3)
    layers = keras.layers
    net = keras.Sequential([
        keras.Input((SIDE, SIDE, 1)), layers.Conv2D(4, 3, activation="relu"), layers.MaxPooling2D(2),
        layers.DepthwiseConv2D(3, padding="same"), layers.Flatten(),
        layers.Dense(12, activation="gelu"), layers.Dense(CLASSES)])
    x, labels = images(1)
    net(x)
    with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
        net.export(file.name, format="onnx", verbose=False)
        model = onnx.load(file.name)
    given = torch.from_numpy(x).requires_grad_()
    logits = net(given)
    loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels))
    loss.backward()
    gradients = {model.graph.input[0].name: given.grad.numpy()}
    for variable in net.trainable_variables:
        value, gradient = variable.value.detach().numpy(), variable.value.grad.numpy()
        if value.ndim == 4:
            # height, width, in, out (or multiplier) to the file's out, in, height, width
            order = (2, 3, 0, 1) if "depthwise" in variable.path else (3, 2, 0, 1)
            value, gradient = value.transpose(order), gradient.transpose(order)
        if value.ndim == 1 and "conv2d" in variable.path:
            value, gradient = value.reshape(1, 1, 1, -1), gradient.reshape(1, 1, 1, -1)
        if told_apart(value):
            gradients[initializer(model, value)] = gradient
    record(pack, "keras", model, ((model.graph.input[0].name, x), labels), (logits.detach(), loss.detach()), gradients)


class Net(nnx.Module):
    def __init__(self, rngs):
        self.conv = nnx.Conv(1, 4, (3, 3), rngs=rngs)
        self.norm = nnx.LayerNorm(4, rngs=rngs)
        self.hidden = nnx.Linear(SIDE * SIDE, 12, rngs=rngs)
        self.head = nnx.Linear(12, CLASSES, rngs=rngs)

    def __call__(self, x):
        x = nnx.max_pool(nnx.relu(self.conv(x)), window_shape=(2, 2), strides=(2, 2))
        x = self.norm(x).reshape(x.shape[0], -1)
        return self.head(nnx.gelu(self.hidden(x)))


def jax_case(pack):
    net = Net(nnx.Rngs(0))
    x, labels = images(2)
    model = to_onnx(net, [("batch", SIDE, SIDE, 1)])
    graph, state = nnx.split(net)

    def loss_of(state, x):
        logits = nnx.merge(graph, state)(x)
        picked = jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], 1)
        return -picked.mean(), logits

    (loss, logits), (by_state, by_x) = jax.value_and_grad(loss_of, (0, 1), has_aux=True)(state, x)
    name = model.graph.input[0].name
    gradients = {name: by_x}
    values = dict(nnx.to_flat_state(state))
    for path, leaf in nnx.to_flat_state(by_state):
        value, gradient = np.array(values[path][...]), np.array(leaf[...])
        if value.ndim == 4:
            value, gradient = value.transpose(3, 2, 0, 1), gradient.transpose(3, 2, 0, 1)
        if told_apart(value):
            gradients[initializer(model, value)] = gradient
    record(pack, "jax", model, ((name, x), labels), (logits, loss), gradients)


if __name__ == "__main__":
    pack = Pack("frameworks")
    pack.metadata |= {"keras": keras.__version__, "jax": jax.__version__}
    keras_case(pack)
    jax_case(pack)
    pack.save()
