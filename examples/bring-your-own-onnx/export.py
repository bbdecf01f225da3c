"""Writes a PyTorch model as an ONNX file that can be trained: digits.onnx, a small network with batch norm.

    pip install torch onnx onnxscript
    python export.py

A plain `torch.onnx.export` writes models for inference: it folds batch norm into convolutions, and stores the
weights of LSTM, GRU and attention in another order under names of its own. `export_for_training` keeps layers
and names, so that what comes back is read with `load_state_dict`. PyTorch warns that the model is in training
mode: that is meant, or dropout would be left out.
"""

import logging

import torch
from torch import nn

logging.getLogger("onnx_ir").setLevel(logging.ERROR)


class Digits(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        )
        self.head = nn.Linear(32 * 7 * 7, 10)

    def forward(self, image):
        return self.head(torch.flatten(self.features(image), 1))


def export_for_training(model, example, path, input_name="input", output_name="output"):
    """`example` is a batch of at least two examples; the file takes batches of any size."""
    program = torch.onnx.export(
        model.train(), (example,), dynamo=True, optimize=False, verbose=False,
        input_names=[input_name], output_names=[output_name],
        dynamic_shapes=({0: torch.export.Dim("batch")},))
    # The optimiser tidies the graph. Parameters are shown to it as inputs, which it does not fold.
    inputs = program.model.graph.inputs
    own = len(inputs)
    inputs.extend(program.model.graph.initializers.values())
    program.optimize()
    del inputs[own:]
    # Stack traces, with paths of this machine.
    for node in program.model.graph:
        node.metadata_props.clear()
    program.save(path, external_data=False)


if __name__ == "__main__":
    torch.manual_seed(1)
    export_for_training(Digits(), torch.randn(2, 1, 28, 28), "digits.onnx", "image", "logits")
    print("digits.onnx")
