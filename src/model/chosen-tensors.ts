/** Which of a model's weights are trained, which are state, which stay as they are. */
import type { Start } from "./initialise.ts";
import { modelError } from "./model-error.ts";
import { type Initializer, intAttribute, type Node } from "./onnx/graph.ts";
import type { Model } from "./onnx/model.ts";

export interface Choice {
  readonly model: Model;
  /** Not empty for models of our builder: exactly these tensors can be trained. */
  readonly starts: ReadonlyMap<string, Start>;
  /** The outputs that the losses read. */
  readonly outputs: readonly string[];
  /** As in a run file: `*` is anything, a leading `!` excludes; absent: everything that can be trained. */
  readonly patterns: readonly string[] | undefined;
  readonly place: readonly (string | number)[];
}

/** Names in the model's order. Errors: MODEL_TRAIN if nothing is left, or a pattern names what cannot be trained. */
export function chooseTrained({ model, starts, outputs, patterns, place }: Choice): string[] {
  const averages = runningAverages(model.nodes);
  const used = readBy(model, outputs);
  const candidates = model.initializers.filter(
    (tensor) =>
      tensor.type === "float32" &&
      used.has(tensor.name) &&
      !averages.has(tensor.name) &&
      (starts.size > 0 ? starts.has(tensor.name) : looksTrained(tensor)),
  );
  const names = candidates.map(({ name }) => name);
  if (patterns === undefined) {
    if (names.length > 0) return names;
    throw modelError("MODEL_TRAIN", place, "the model has nothing to train");
  }
  const all = model.initializers
    .filter(({ name, type }) => type === "float32" && (starts.size === 0 || starts.has(name)))
    .map(({ name }) => name);
  for (const pattern of patterns)
    if (!all.some(matcher(pattern.replace(/^!/, ""))))
      throw modelError("MODEL_TRAIN", place, `no tensor matches ${pattern}`, {
        fix: `tensors: ${abbreviated(names)}`,
      });
  // A tensor named in full is trained whatever it looks like.
  const chosen = all.filter(
    (name) =>
      (names.includes(name) || patterns.includes(name)) &&
      used.has(name) &&
      !averages.has(name) &&
      isChosen(name, patterns),
  );
  if (chosen.length > 0) return chosen;
  throw modelError("MODEL_TRAIN", place, "the patterns leave nothing that the loss depends on", {
    fix: `tensors: ${abbreviated(names)}`,
  });
}

/**
 * The running averages of every batch normalisation that normalises by its batch: one whose scale is
 * trained, or that the file itself says is in training.
 */
export function statesOf(model: Model, trained: ReadonlySet<string>): Initializer[] {
  const names = runningAverages(
    model.nodes.filter(
      (node) =>
        trained.has(node.inputs[1] ?? "") ||
        intAttribute(node, "training_mode", 0) === 1 ||
        // Until operator set 14 the number of outputs says it.
        (model.opset < 14 && node.outputs.length > 1),
    ),
  );
  return model.initializers.filter(({ name }) => names.has(name));
}

const runningAverages = (nodes: readonly Node[]): Set<string> =>
  new Set(
    nodes.flatMap(({ operator, inputs }) =>
      operator === "BatchNormalization" ? inputs.slice(3, 5) : [],
    ),
  );

/** Values that the outputs depend on. */
function readBy(model: Model, outputs: readonly string[]): Set<string> {
  const read = new Set(outputs);
  for (let i = model.nodes.length - 1; i >= 0; i--) {
    const node = model.nodes[i] as Node;
    if (node.outputs.some((name) => read.has(name))) for (const name of node.inputs) read.add(name);
  }
  return read;
}

/**
 * Single numbers without a module's name (PyTorch's are "fc.bias") and masks (minus infinity and its stand-ins)
 * are constants of the formula, not weights.
 */
const looksTrained = ({ name, shape, data }: Initializer): boolean => {
  if (shape.length === 0 || (data.length === 1 && !/\.|weight|bias/.test(name))) return false;
  for (let i = 0; i < data.length; i++) if (!(Math.abs(Number(data[i])) < 1e30)) return false;
  return true;
};

const matcher = (pattern: string): ((name: string) => boolean) => {
  const parts = pattern.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
  const whole = new RegExp(`^${parts.join(".*")}$`, "s");
  return (name) => whole.test(name);
};

function isChosen(name: string, patterns: readonly string[]): boolean {
  const excludes = patterns.filter((pattern) => pattern.startsWith("!"));
  const includes = patterns.filter((pattern) => !pattern.startsWith("!"));
  return (
    (includes.length === 0 || includes.some((pattern) => matcher(pattern)(name))) &&
    !excludes.some((pattern) => matcher(pattern.slice(1))(name))
  );
}

const abbreviated = (names: readonly string[]): string =>
  names.length <= 8
    ? names.join(", ")
    : `${names.slice(0, 8).join(", ")} and ${names.length - 8} more`;
