/** What a schema cannot see of runs on streams: which models, algorithms and keys go with them, and which do not. */
import { OnlineModelSpec } from "../model/online/spec.ts";
import { ModelOptions } from "../model/spec.ts";
import type { Objection } from "./check.ts";
import { isObject } from "./file/schema.ts";
import { liveWorld, type RunSpec, streamOf } from "./spec.ts";

const ONLINE: readonly string[] = OnlineModelSpec.options.map((one) => one.shape.kind.value);
/** Kinds of `between` with programs for streams. */
const BETWEEN: readonly string[] = ["cartel", "none", "centralize", "federated"];

const TRAINED: readonly string[] = ModelOptions.options.map((one) => one.shape.kind.value);

export const isOnline = (model: RunSpec["model"]): model is OnlineModelSpec =>
  ONLINE.includes(model.kind);

/** Some can be trained as well as learn online. */
export const isTrained = (model: RunSpec["model"]): model is ModelOptions =>
  TRAINED.includes(model.kind);

const pair = (path: Objection["path"], message: string, fix: string): Objection => ({
  code: "IMPOSSIBLE_PAIR",
  path,
  message,
  fix,
});

/** Of a run that may or may not be one on streams. */
export function streamsOrNot(spec: RunSpec): readonly Objection[] {
  if (streamOf(spec)) return onStreams(spec);
  const found: Objection[] = [];
  if (!isTrained(spec.model)) {
    const message = `a ${spec.model.kind} learns online, from streams, and the data have none`;
    const fix = "add data.stream, or use kind: sequential";
    found.push(pair(["model", "kind"], message, fix));
  }
  if (spec.between.kind === "cartel") {
    const message = "cartel is for models that learn from streams, and the data have none";
    found.push(pair(["between", "kind"], message, "add data.stream, or use kind: gaia"));
  }
  return found;
}

function onStreams(spec: RunSpec): readonly Objection[] {
  const { model, between, stop, faults } = spec;
  const found: Objection[] = [];
  if (between.kind === "cartel" && between.registry.kind === "nats" && !liveWorld(spec)) {
    const message = "the registry `nats` needs a control bus, and the simulated world has none";
    const fix = "registry: { kind: central } or { kind: dht }, or world: local or cluster";
    const path = ["between", "registry", "kind"];
    found.push({ code: "REGISTRY_NEEDS_BUS", path, message, fix });
  }
  if (!isOnline(model)) {
    const message = `a ${model.kind} model does not learn from streams`;
    found.push(pair(["model", "kind"], message, `use kind: ${ONLINE.join(", ")}`));
  }
  if (!BETWEEN.includes(between.kind)) {
    const message = `${between.kind} trains one model on data that lie there; these data are streams`;
    found.push(pair(["between", "kind"], message, `use kind: ${BETWEEN.join(", ")}`));
  }
  if (model.kind === "graph" && (model.layers === undefined) === (model.path === undefined)) {
    const both = model.layers !== undefined;
    const message = both
      ? "a graph is its layers or a file, and this one is both"
      : "a graph without layers and without a file";
    const fix = both
      ? "remove layers or path"
      : "layers: [flatten, { dense: 32 }, relu, { dense: 10 }], or path: model.onnx";
    found.push(pair(["model"], message, fix));
  }
  for (const key of ["accuracy", "rmse", "loss", "change"] as const) {
    if (stop[key] === undefined) continue;
    const message = "nothing is judged apart from the streams: this is never reached";
    const fix = "a run on streams ends with them, or at stop.maxSeconds";
    found.push(pair(["stop", key], message, fix));
  }
  for (const [i, fault] of faults.entries()) {
    if (fault.kind !== "crash" || !fault.node.includes("/worker-")) continue;
    const message = `a site of a run on streams has no workers, and ${fault.node} is one`;
    found.push(pair(["faults", i, "node"], message, `use ${fault.node.split("/")[0]}/peer-0`));
  }
  return found;
}

/** Keys that only training runs read. */
const UNUSED = ["within", "optimizer", "batch", "evaluate"] as const;

/** @param given the keys that somebody wrote. */
export const unusedOnStreams = (spec: RunSpec, given: object): readonly Objection[] =>
  streamOf(spec) === undefined
    ? []
    : UNUSED.filter((key) => Object.hasOwn(given, key)).map((key) =>
        pair(
          [key],
          `${key} is not used in a run on streams`,
          key === "batch" ? "remove it; data.stream.batch is the size of a batch" : "remove it",
        ),
      );

/** Whether data that are not yet validated describe a run on streams. */
export const isOnStreams = ({ data }: Readonly<Record<string, unknown>>): boolean =>
  isObject(data) && data.stream !== undefined;
