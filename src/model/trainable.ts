/**
 * A model made ready for training on data of a shape, before any batch size is known: which tensors are
 * trained and which are state, what fills each input, which objectives take turns.
 */
import type { DataShape } from "../core/dataset.ts";
import type { BuiltModel } from "./build/builder.ts";
import { chooseTrained, statesOf } from "./chosen-tensors.ts";
import type { Start } from "./initialise.ts";
import { modelError } from "./model-error.ts";
import { type Initializer, sizeOf } from "./onnx/graph.ts";
import type { LossOptions } from "./onnx/loss/options.ts";
import type { Dimension, Model, ModelValue } from "./onnx/model.ts";
import { lossOptions, type Target, type TrainingOptions } from "./training-options.ts";

/** Columns [from, to) of a row's features, the row's tokens, or noise. */
export type Source =
  | { readonly kind: "features"; readonly from: number; readonly to: number }
  | { readonly kind: "tokens" }
  | { readonly kind: "noise"; readonly distribution: "normal" | "uniform" };

/** An input of the model with the shape that one example has. */
export interface InputPlan {
  readonly name: string;
  readonly type: ModelValue["type"];
  readonly shape: readonly number[];
  readonly source: Source;
}

export interface TermPlan {
  readonly loss: LossOptions;
  readonly output: string;
  readonly target: Target;
  readonly weight: number;
}

export interface ObjectivePlan {
  readonly terms: readonly TermPlan[];
  /** Names of the tensors that this objective trains. */
  readonly trained: readonly string[];
}

export interface Trainable {
  readonly model: Model;
  readonly data: Exclude<DataShape, { kind: "ratings" }>;
  /** In the order of the layout; where a start is missing, training begins with the model's own values. */
  readonly trained: readonly Initializer[];
  readonly starts: ReadonlyMap<string, Start>;
  /** Running averages: shared, changed by steps, but not by the optimizer. */
  readonly states: readonly Initializer[];
  readonly inputs: readonly InputPlan[];
  /** Taken in turn. */
  readonly objectives: readonly ObjectivePlan[];
  readonly options: TrainingOptions;
}

/** Errors: `InputError` MODEL_DATA, MODEL_INPUT, MODEL_OUTPUT, MODEL_TRAIN with the place in the run file. */
export function makeTrainable(
  { model, starts }: BuiltModel,
  data: DataShape,
  options: TrainingOptions,
): Trainable {
  if (data.kind === "ratings")
    throw modelError("MODEL_DATA", [], "a graph learns from rows of features, not ratings", {
      fix: "kind: matrix-factorisation",
    });
  const drafts = objectiveDrafts(model, options);
  const inputs = planInputs(model, data, options);
  const objectives = drafts.map(({ terms, train, place }) => ({
    terms,
    trained: chooseTrained({
      model,
      starts,
      outputs: terms.flatMap(({ output, target }) =>
        typeof target === "object" && "output" in target ? [output, target.output] : [output],
      ),
      patterns: train,
      place,
    }),
  }));
  const names = new Set(objectives.flatMap(({ trained }) => trained));
  const trained = model.initializers.filter(({ name }) => names.has(name));
  const states = statesOf(model, names);
  return { model, data, trained, starts, states, inputs, objectives, options };
}

interface ObjectiveDraft {
  readonly terms: readonly TermPlan[];
  readonly train: readonly string[] | undefined;
  readonly place: readonly (string | number)[];
}

function objectiveDrafts(model: Model, options: TrainingOptions): ObjectiveDraft[] {
  const outputOf = (name: string | undefined, place: readonly (string | number)[]): string => {
    const names = model.outputs.map((output) => output.name);
    if (name === undefined) return names[0] as string;
    if (names.includes(name)) return name;
    throw modelError("MODEL_OUTPUT", place, `the model has no output ${name}`, {
      fix: `outputs: ${names.join(", ")}`,
    });
  };
  if (options.objectives === undefined) {
    const output = outputOf(options.output, ["output"]);
    const term = { loss: lossOptions(options.loss), output, target: options.target, weight: 1 };
    return [{ terms: [term], train: options.train, place: ["train"] }];
  }
  return options.objectives.map(({ terms, train }, i) => ({
    terms: terms.map(({ loss, output, target, weight }, k) => ({
      loss: lossOptions(loss),
      output: outputOf(output, ["objectives", i, "terms", k, "output"]),
      target,
      weight,
    })),
    train,
    place: ["objectives", i, "train"],
  }));
}

function planInputs(model: Model, data: Trainable["data"], options: TrainingOptions): InputPlan[] {
  for (const name of Object.keys(options.inputs))
    if (!model.inputs.some((input) => input.name === name))
      throw modelError("MODEL_INPUT", ["inputs", name], `the model has no input ${name}`, {
        fix: `inputs: ${model.inputs.map((input) => input.name).join(", ")}`,
      });
  const unnamed = model.inputs.filter(({ name }) => options.inputs[name] === undefined);
  if (unnamed.length > 1)
    throw modelError(
      "MODEL_INPUT",
      ["inputs"],
      `the model has ${model.inputs.length} inputs, and nothing says what fills ${unnamed.map(({ name }) => name).join(", ")}`,
      { fix: `inputs: { ${unnamed[0]?.name}: { columns: [0, ${rowSize(data)}] } }` },
    );
  return model.inputs.map((input) => {
    const given = options.inputs[input.name];
    if (given === undefined) return wholeRow(input, data);
    if ("noise" in given) {
      const source: Source = { kind: "noise", distribution: given.noise };
      return { ...planned(input, undefined), source };
    }
    const [from, to] = given.columns;
    if (data.kind === "text" || to > rowSize(data))
      throw modelError(
        "MODEL_INPUT",
        ["inputs", input.name, "columns"],
        `columns [${from}, ${to}) of rows with ${rowSize(data)} features`,
      );
    return { ...planned(input, [to - from]), source: { kind: "features", from, to } };
  });
}

const rowSize = (data: Trainable["data"]): number =>
  data.kind === "text" ? data.length : sizeOf(data.shape);

function wholeRow(input: ModelValue, data: Trainable["data"]): InputPlan {
  if (data.kind === "text") return { ...planned(input, [data.length]), source: { kind: "tokens" } };
  const source: Source = { kind: "features", from: 0, to: rowSize(data) };
  return { ...planned(input, data.shape), source };
}

/**
 * The shape of one example: sizes that the model leaves open are those of the data if the axes match,
 * otherwise all but one must be known.
 */
function planned(
  input: ModelValue,
  given: readonly number[] | undefined,
): Omit<InputPlan, "source"> {
  const { name, type } = input;
  const wanted = input.shape.slice(1);
  const known = (shape: readonly Dimension[]): shape is number[] =>
    shape.every((size) => typeof size === "number");
  const fits = given?.length === wanted.length;
  const shape = fits
    ? wanted.map((size, i) => (typeof size === "string" ? given[i] : size))
    : wanted;
  const filled = fillOne(shape as Dimension[], given);
  if (known(filled) && (given === undefined || sizeOf(filled) === sizeOf(given)))
    return { name, type, shape: filled };
  throw modelError(
    "MODEL_INPUT",
    ["inputs", name],
    `the model's input ${name} is ${type}[${input.shape.map((size) => (size === "" ? "?" : size)).join(", ")}], ` +
      (given
        ? `a row of the data has the shape [${given.join(", ")}]`
        : "and noise needs every size but the first"),
    { fix: "the first axis is the batch; give the others in the file, or other columns" },
  );
}

/** One open size follows from the others. */
function fillOne(shape: readonly Dimension[], given: readonly number[] | undefined): Dimension[] {
  const open = shape.filter((size) => typeof size === "string");
  if (open.length !== 1 || given === undefined) return [...shape];
  const rest = shape.reduce<number>(
    (all, size) => (typeof size === "number" ? all * size : all),
    1,
  );
  const size = sizeOf(given) / rest;
  return Number.isInteger(size)
    ? shape.map((at) => (typeof at === "string" ? size : at))
    : [...shape];
}
