/**
 * The subjects of bench/onnx-training.ts in TensorFlow.js on its WebAssembly backend, one thread: see peer.ts
 * for the protocol. The packages come from the folder PANGAEA_TFJS.
 *
 * The backend has no kernels for the gradients of a convolution's weights and of a gather. The first is said as
 * a convolution with batch and channel axes exchanged, the second is avoided: a token is a one-hot row.
 */
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";

const require = createRequire(join(process.env.PANGAEA_TFJS ?? ".", "package.json"));
const tf = require("@tensorflow/tfjs");
const wasm = require("@tensorflow/tfjs-backend-wasm");

const VOCABULARY = 65;
const TIME = 64;
const ROWS = 2048;

const write = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`);
const weight = (...shape) =>
  tf.variable(
    tf.randomNormal(shape, 0, 1 / Math.sqrt(shape.slice(0, -1).reduce((a, b) => a * b, 1))),
  );
const constant = (value, ...shape) => tf.variable(tf.fill(shape, value));

/** NHWC, stride 1, same size. */
const conv = tf.customGrad((x, w, save) => {
  save([x, w]);
  return {
    value: tf.conv2d(x, w, 1, "same"),
    gradFunc: (dy, [input, filter]) => [
      tf.conv2dTranspose(dy, filter, input.shape, 1, "same"),
      weightGradient(input, dy, filter.shape[0]),
    ],
  };
});

function weightGradient(x, dy, kernel) {
  const pad = (kernel - 1) / 2;
  const padded = tf.pad(x, [
    [0, 0],
    [pad, pad],
    [pad, pad],
    [0, 0],
  ]);
  const channels = tf.transpose(padded, [3, 1, 2, 0]);
  const filters = tf.transpose(dy, [1, 2, 0, 3]);
  return tf.transpose(tf.conv2d(channels, filters, 1, "valid"), [1, 2, 0, 3]);
}

/** The same for an input that needs no gradient. */
const firstConv = (x, w) =>
  tf.customGrad((filter, save) => {
    save([filter]);
    return {
      value: tf.conv2d(x, filter, 1, "same"),
      gradFunc: (dy) => weightGradient(x, dy, w.shape[0]),
    };
  })(w);

function dense(inputs, outputs) {
  const [w, b] = [weight(inputs, outputs), constant(0, outputs)];
  return (x) => tf.add(tf.matMul(x, w), b);
}

/** Dense on the last axis of [batch, time, features]. */
function everywhere(inputs, outputs) {
  const layer = dense(inputs, outputs);
  return (x) => {
    const [batch, time] = x.shape;
    return layer(x.reshape([batch * time, inputs])).reshape([batch, time, outputs]);
  };
}

function normalise(x, axes, scale, shift) {
  const { mean, variance } = tf.moments(x, axes, true);
  return x.sub(mean).div(variance.add(1e-5).sqrt()).mul(scale).add(shift);
}

/** With running averages, as in training. */
function batchNorm(channels) {
  const [scale, shift] = [constant(1, channels), constant(0, channels)];
  const averages = [tf.keep(tf.zeros([channels])), tf.keep(tf.ones([channels]))];
  return (x) => {
    const { mean, variance } = tf.moments(x, [0, 1, 2]);
    [mean, variance].forEach((value, i) => {
      const next = tf.keep(averages[i].mul(0.9).add(value.mul(0.1)));
      averages[i].dispose();
      averages[i] = next;
    });
    return normalise(x, [0, 1, 2], scale, shift);
  };
}

function layerNorm(width) {
  const [scale, shift] = [constant(1, width), constant(0, width)];
  return (x) => normalise(x, [2], scale, shift);
}

const gelu = (x) => x.mul(0.5).mul(tf.erf(x.mul(Math.SQRT1_2)).add(1));

function embedding(width) {
  const table = weight(VOCABULARY, width);
  return (tokens) => {
    const [batch, time] = tokens.shape;
    const hot = tf.oneHot(tokens.flatten(), VOCABULARY).toFloat();
    return tf.matMul(hot, table).reshape([batch, time, width]);
  };
}

function attention(width, heads) {
  const inward = everywhere(width, 3 * width);
  const outward = everywhere(width, width);
  const size = width / heads;
  const above = tf.keep(
    tf.linalg
      .bandPart(tf.ones([TIME, TIME]), -1, 0)
      .sub(1)
      .mul(1e9),
  );
  return (x) => {
    const [batch, time] = x.shape;
    const [q, k, v] = tf
      .split(inward(x), 3, 2)
      .map((part) => part.reshape([batch, time, heads, size]).transpose([0, 2, 1, 3]));
    const scores = tf.matMul(q, k, false, true).div(Math.sqrt(size)).add(above);
    const mixed = tf.matMul(tf.softmax(scores), v).transpose([0, 2, 1, 3]);
    return outward(mixed.reshape([batch, time, width]));
  };
}

function lstmLayer(inputs, width) {
  const [w, r, b] = [weight(inputs, 4 * width), weight(width, 4 * width), constant(0, 4 * width)];
  return (x) => {
    const [batch, time] = x.shape;
    const given = tf.matMul(x.reshape([batch * time, inputs]), w).add(b);
    const steps = tf.unstack(given.reshape([batch, time, 4 * width]), 1);
    let h = tf.zeros([batch, width]);
    let c = tf.zeros([batch, width]);
    const outputs = steps.map((step) => {
      const [i, f, g, o] = tf.split(step.add(tf.matMul(h, r)), 4, 1);
      c = f.sigmoid().mul(c).add(i.sigmoid().mul(g.tanh()));
      h = o.sigmoid().mul(c.tanh());
      return h;
    });
    return tf.stack(outputs, 1);
  };
}

function cnn() {
  const [w1, b1, w2, b2] = [
    weight(5, 5, 1, 32),
    constant(0, 32),
    weight(5, 5, 32, 64),
    constant(0, 64),
  ];
  const [hidden, head] = [dense(3136, 512), dense(512, 10)];
  return (x) => {
    const first = tf.maxPool(firstConv(x, w1).add(b1).relu(), 2, 2, "valid");
    const second = tf.maxPool(conv(first, w2).add(b2).relu(), 2, 2, "valid");
    return head(hidden(second.reshape([x.shape[0], 3136])).relu());
  };
}

function residualBlock() {
  const [w1, w2] = [weight(3, 3, 64, 64), weight(3, 3, 64, 64)];
  const [norm1, norm2, head] = [batchNorm(64), batchNorm(64), dense(64, 10)];
  return (x) => {
    const inner = norm2(conv(norm1(firstConv(x, w1)).relu(), w2));
    return head(x.add(inner).relu().mean([1, 2]));
  };
}

function transformerBlock() {
  const [table, places] = [embedding(128), constant(0, TIME, 128)];
  const [norm1, norm2, norm3] = [layerNorm(128), layerNorm(128), layerNorm(128)];
  const mix = attention(128, 4);
  const [up, down, head] = [
    everywhere(128, 512),
    everywhere(512, 128),
    everywhere(128, VOCABULARY),
  ];
  return (tokens) => {
    let x = table(tokens).add(places);
    x = x.add(mix(norm1(x)));
    x = x.add(down(gelu(up(norm2(x)))));
    return head(norm3(x)).reshape([-1, VOCABULARY]);
  };
}

function lstm() {
  const [table, first, second] = [embedding(128), lstmLayer(128, 128), lstmLayer(128, 128)];
  const head = everywhere(128, VOCABULARY);
  return (tokens) => head(second(first(table(tokens)))).reshape([-1, VOCABULARY]);
}

function mlp() {
  const layers = [dense(784, 256), dense(256, 128), dense(128, 10)];
  return (x) => layers[2](layers[1](layers[0](x.reshape([-1, 784])).relu()).relu());
}

function softmax() {
  const head = dense(784, 10);
  return (x) => head(x.reshape([-1, 784]));
}

const SUBJECTS = {
  softmax: [softmax, 64, [28, 28, 1]],
  mlp: [mlp, 64, [28, 28, 1]],
  cnn: [cnn, 32, [28, 28, 1]],
  "residual block": [residualBlock, 32, [16, 16, 64]],
  "transformer block": [transformerBlock, 16, undefined],
  lstm: [lstm, 32, undefined],
};

const whole = (length, below) =>
  Int32Array.from({ length }, () => Math.floor(Math.random() * below));

/** Gathers a batch from raw rows at each step, as ours does. */
function denseBatches(size, shape) {
  const width = shape.reduce((a, b) => a * b, 1);
  const features = Uint8Array.from(whole(ROWS * width, 256));
  const labels = whole(ROWS, 10);
  return () => {
    const x = new Float32Array(size * width);
    const y = new Int32Array(size);
    for (let n = 0; n < size; n++) {
      const row = (n * 31) % ROWS;
      for (let k = 0; k < width; k++) x[n * width + k] = features[row * width + k] / 255;
      y[n] = labels[row];
    }
    return [tf.tensor(x, [size, ...shape]), tf.oneHot(tf.tensor1d(y, "int32"), 10).toFloat()];
  };
}

function textBatches(size) {
  const text = whole(ROWS + TIME + 1, VOCABULARY);
  const rows = Array.from({ length: size }, (_, n) => (n * 31) % ROWS);
  const window = (shift) =>
    Int32Array.from(rows.flatMap((row) => [...text.subarray(row + shift, row + shift + TIME)]));
  return () => [
    tf.tensor(window(0), [size, TIME], "int32"),
    tf.oneHot(tf.tensor1d(window(1), "int32"), VOCABULARY).toFloat(),
  ];
}

function trainer([make, size, shape]) {
  const model = make();
  const optimizer = tf.train.sgd(0.01);
  const batch = shape ? denseBatches(size, shape) : textBatches(size);
  return (steps) => {
    for (let i = 0; i < steps; i++)
      tf.tidy(() => {
        const [x, targets] = batch();
        const loss = () => tf.mean(tf.neg(tf.sum(tf.mul(tf.logSoftmax(model(x)), targets), -1)));
        optimizer.minimize(loss, true).dataSync();
      });
  };
}

wasm.setThreadsCount(1);
wasm.setWasmPaths(`${dirname(require.resolve("@tensorflow/tfjs-backend-wasm"))}/`);
await tf.setBackend("wasm");
await tf.ready();
write({ name: `TensorFlow.js ${tf.version.tfjs}` });
const trainers = new Map();
for await (const line of createInterface({ input: process.stdin })) {
  const { subject, steps } = JSON.parse(line);
  try {
    const train = trainers.get(subject) ?? trainer(SUBJECTS[subject]);
    trainers.set(subject, train);
    train(steps);
    write({ steps });
  } catch (error) {
    write({ error: String(error) });
  }
}
