"""The subjects of bench/onnx-training.ts in PyTorch on the CPU, one thread: see peer.ts for the protocol.

As in ours, a step gathers its batch from raw rows, and updates the parameters by plain SGD.
"""

import json
import sys

import torch
import torch.nn.functional as F
from torch import nn

torch.set_num_threads(1)
torch.manual_seed(1)
VOCABULARY, TIME, ROWS = 65, 64, 2048


class Residual(nn.Module):
    def __init__(self, *layers):
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x):
        return x + self.layers(x)


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.inward = nn.Linear(width, 3 * width)
        self.outward = nn.Linear(width, width)

    def forward(self, x):
        batch, time, width = x.shape
        shape = (batch, time, self.heads, width // self.heads)
        q, k, v = (part.reshape(shape).transpose(1, 2) for part in self.inward(x).chunk(3, -1))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.outward(y.transpose(1, 2).reshape(batch, time, width))


class Places(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(TIME, width))

    def forward(self, x):
        return x + self.weight


class Sequence(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(x)[0]


def cnn():
    return nn.Sequential(
        nn.Conv2d(1, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(3136, 512), nn.ReLU(), nn.Linear(512, 10))


def residual_block():
    return nn.Sequential(
        Residual(nn.Conv2d(64, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
                 nn.Conv2d(64, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64)),
        nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def transformer_block():
    return nn.Sequential(
        nn.Embedding(VOCABULARY, 128), Places(128),
        Residual(nn.LayerNorm(128), Attention(128, 4)),
        Residual(nn.LayerNorm(128), nn.Linear(128, 512), nn.GELU(), nn.Linear(512, 128)),
        nn.LayerNorm(128), nn.Linear(128, VOCABULARY))


def lstm():
    return nn.Sequential(nn.Embedding(VOCABULARY, 128), Sequence(nn.LSTM(128, 128, 2, batch_first=True)),
                         nn.Linear(128, VOCABULARY))


DIGIT, IMAGE = (1, 28, 28), (64, 16, 16)
SUBJECTS = {
    "softmax": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), 64, DIGIT),
    "mlp": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128),
                                  nn.ReLU(), nn.Linear(128, 10)), 64, DIGIT),
    "cnn": (cnn, 32, DIGIT),
    "residual block": (residual_block, 32, IMAGE),
    "transformer block": (transformer_block, 16, None),
    "lstm": (lstm, 32, None),
}


def dense_batches(size, shape):
    features = torch.randint(256, (ROWS, *shape), dtype=torch.uint8)
    labels = torch.randint(10, (ROWS,))
    rows = (torch.arange(size) * 31) % ROWS
    return lambda: (features[rows].float() * (1 / 255), labels[rows])


def text_batches(size):
    text = torch.randint(VOCABULARY, (ROWS + TIME + 1,))
    rows = (torch.arange(size) * 31) % ROWS
    places = rows[:, None] + torch.arange(TIME)
    return lambda: (text[places], text[places + 1])


def trainer(make, size, shape):
    model = make().train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    batch = dense_batches(size, shape) if shape else text_batches(size)

    def train(steps):
        for _ in range(steps):
            x, labels = batch()
            optimizer.zero_grad(set_to_none=True)
            output = model(x)
            F.cross_entropy(output.reshape(-1, output.shape[-1]), labels.reshape(-1)).backward()
            optimizer.step()

    return train


def main():
    print(json.dumps({"name": f"PyTorch {torch.__version__.split('+')[0]}"}), flush=True)
    trainers = {}
    for line in sys.stdin:
        request = json.loads(line)
        subject, steps = request["subject"], request["steps"]
        try:
            if subject not in trainers:
                trainers[subject] = trainer(*SUBJECTS[subject])
            trainers[subject](steps)
            print(json.dumps({"steps": steps}), flush=True)
        except Exception as error:
            print(json.dumps({"error": str(error)}), flush=True)


main()
