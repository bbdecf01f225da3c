"""Whole models as PyTorch's exporter writes them, with the gradients of a mean cross-entropy loss.

    python models.py [model …]

Each is small, so that its file can be committed, and takes a batch of any size; the reference is of one fixed
batch. Parameters are called as `state_dict` calls them.
"""

import sys

import torch
import torch.nn.functional as F
from pack import Pack, export
from torch import nn

CLASSES, VOCABULARY = 10, 20


class Mlp(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(64, 24), nn.ReLU(), nn.Linear(24, 16), nn.ReLU(),
                         nn.Linear(16, CLASSES))


class LeNet(nn.Module):
    """LeCun et al., "Gradient-based learning applied to document recognition", 1998, with narrower dense layers."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 24)
        self.fc2 = nn.Linear(24, 16)
        self.fc3 = nn.Linear(16, CLASSES)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.fc1(torch.flatten(x, 1)))
        return self.fc3(F.relu(self.fc2(x)))


class Residual(nn.Module):
    """The basic block of He et al., "Deep residual learning for image recognition", 2016."""

    def __init__(self, width, out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(width, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.downsample = nn.Sequential()
        if stride != 1 or width != out:
            self.downsample = nn.Sequential(nn.Conv2d(width, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + self.downsample(x))


class ResNet18(nn.Module):
    """ResNet-18 as it is used on 32 x 32 images (no pooling at the start), `width` channels instead of 64."""

    def __init__(self, width=4):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        widths = [width, width, 2 * width, 4 * width, 8 * width]
        for i in range(4):
            stride = 1 if i == 0 else 2
            layer = nn.Sequential(Residual(widths[i], widths[i + 1], stride),
                                  Residual(widths[i + 1], widths[i + 1], 1))
            self.add_module(f"layer{i + 1}", layer)
        self.fc = nn.Linear(8 * width, CLASSES)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


class MobileNet(nn.Module):
    """A stem and one inverted residual with a depthwise convolution (Sandler et al., "MobileNetV2", 2018)."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU6())
        self.block = nn.Sequential(
            nn.Conv2d(8, 24, 1, bias=False), nn.BatchNorm2d(24), nn.ReLU6(),
            nn.Conv2d(24, 24, 3, 1, 1, groups=24, bias=False), nn.BatchNorm2d(24), nn.ReLU6(),
            nn.Conv2d(24, 8, 1, bias=False), nn.BatchNorm2d(8))
        self.head = nn.Linear(8, CLASSES)

    def forward(self, x):
        x = self.stem(x)
        x = x + self.block(x)
        return self.head(x.mean((2, 3)))


class Lstm(nn.Module):
    """Characters to the next character, two layers."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, 8)
        self.lstm = nn.LSTM(8, 12, 2, batch_first=True)
        self.head = nn.Linear(12, VOCABULARY)

    def forward(self, tokens):
        return self.head(self.lstm(self.embedding(tokens))[0])


class Block(nn.Module):
    """Attention and a feed-forward layer, each behind a layer norm; queries, keys and values from one matrix."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def forward(self, x):
        batch, time, width = x.shape
        split = (batch, time, self.heads, width // self.heads)
        q, k, v = (part.reshape(split).transpose(1, 2) for part in self.qkv(self.norm1(x)).chunk(3, -1))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.project(y.transpose(1, 2).reshape(batch, time, width))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class Transformer(nn.Module):
    """A character model of four blocks (Vaswani et al., "Attention is all you need", 2017), norms first."""

    def __init__(self, width=16, heads=2, length=12):
        super().__init__()
        self.tokens = nn.Embedding(VOCABULARY, width)
        self.places = nn.Parameter(torch.randn(length, width) * 0.3)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(4)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, VOCABULARY)

    def forward(self, tokens):
        return self.head(self.norm(self.blocks(self.tokens(tokens) + self.places)))


def images(*shape):
    return {"x": torch.randn(shape)}, torch.randint(CLASSES, (shape[0],))


def texts(batch, length):
    tokens = torch.randint(VOCABULARY, (batch, length + 1))
    return {"tokens": tokens[:, :-1].contiguous()}, tokens[:, 1:].contiguous()


MODELS = {
    "mlp": (Mlp, lambda: images(5, 1, 8, 8), ("dynamo", "raw", "legacy")),
    "lenet": (LeNet, lambda: images(4, 1, 28, 28), ("dynamo", "legacy")),
    "resnet18": (ResNet18, lambda: images(3, 3, 32, 32), ("dynamo", "legacy")),
    "mobilenet": (MobileNet, lambda: images(4, 3, 16, 16), ("dynamo", "raw", "legacy")),
    "lstm": (Lstm, lambda: texts(3, 9), ("dynamo", "raw", "legacy")),
    "transformer": (Transformer, lambda: texts(3, 12), ("dynamo", "legacy")),
}

if __name__ == "__main__":
    for name in sys.argv[1:] or MODELS:
        make, batch, exporters = MODELS[name]
        pack = Pack(name)
        for exporter in exporters:
            torch.manual_seed(7)
            module = make().train()
            inputs, labels = batch()
            model = export(module, inputs, exporter=exporter, outputs=["logits"], batch="batch")
            pack.add(f"{name}-{exporter}", model, module, inputs, loss="cross-entropy", labels=labels,
                     exporter=exporter, file=True)
        pack.save()
