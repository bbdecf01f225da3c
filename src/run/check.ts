/**
 * What a schema cannot see: keys that are valid alone and impossible together, targets that nothing can
 * reach, names of sites that are not there.
 */

import { nearest } from "../core/nearest.ts";
import { OWN_KINDS } from "../data/own/own.ts";
import { hasPlaces, SITE } from "../data/spec.ts";
import { isGraph } from "../model/spec.ts";
import { lossKind } from "../model/training-options.ts";
import { isTrained, streamsOrNot } from "./check-streams.ts";
import type { Path } from "./file/source.ts";
import type { KnownNetwork } from "./known.ts";
import { liveWorld, type RunSpec, streamOf } from "./spec.ts";

export interface Objection {
  readonly code: string;
  readonly path: Path;
  readonly message: string;
  readonly fix?: string | undefined;
}

type Objections = readonly Objection[];

const pair = (path: Path, message: string, fix: string): Objection => ({
  code: "IMPOSSIBLE_PAIR",
  path,
  message,
  fix,
});

/**
 * Every objection to a spec that its schema accepts. `network` is what is known of the spec's sites before
 * the run.
 */
export function checkSpec(spec: RunSpec, network?: KnownNetwork): Objections {
  const siteNames = network?.sites;
  return [
    ...streamsOrNot(spec),
    ...(streamOf(spec) || !isTrained(spec.model)
      ? []
      : [...modelAndData(spec), ...split(spec), ...target(spec)]),
    ...ownRecords(spec),
    ...policy(spec, siteNames),
    ...overlay(spec, network),
    ...world(spec),
    ...(siteNames ? names(spec, siteNames) : []),
  ];
}

type Judged = "classes" | "numbers" | "loss alone";

/** What the test set says of a model: right classes, errors of numbers, or no more than its loss. */
function judged({ model }: RunSpec): Judged {
  if (!isTrained(model) || model.kind === "matrix-factorisation") return "numbers";
  if (!isGraph(model)) return "classes";
  const { loss, target } = model.objectives?.[0]?.terms[0] ?? model;
  if (target !== "label") return "loss alone";
  const kind = lossKind(loss);
  if (kind === "softmax-cross-entropy" || kind === "binary-cross-entropy") return "classes";
  return kind === "squared-error" || kind === "absolute-error" || kind === "huber"
    ? "numbers"
    : "loss alone";
}

function modelAndData(spec: RunSpec): Objections {
  const { model, data } = spec;
  const found: Objection[] = [];
  if (!isTrained(model)) return found;
  if (model.kind === "matrix-factorisation" && data.kind !== "ratings") {
    const message = `matrix-factorisation learns from ratings, and data.kind is ${data.kind}`;
    found.push(pair(["model", "kind"], message, "use kind: sequential, or data of kind: ratings"));
  }
  if (model.kind !== "matrix-factorisation" && data.kind === "ratings") {
    const message = `a model of kind ${model.kind} cannot read ratings (user, item, stars)`;
    found.push(pair(["model", "kind"], message, "use kind: matrix-factorisation"));
  }
  if (data.kind === "csv") {
    const labels = Object.values(data.schema.columns).filter((role) => role === "label").length;
    if (labels !== 1) {
      const message = `exactly one column must be the label, and ${labels} are`;
      found.push(pair(["data", "schema", "columns"], message, "give one column the role label"));
    }
  }
  const regression = isRegression(data);
  const quality = judged(spec);
  if (regression === true && !isGraph(model) && model.kind !== "matrix-factorisation") {
    const message = `${model.kind} learns classes, and the labels are numbers`;
    found.push(pair(["model", "kind"], message, "use kind: sequential with loss: squared-error"));
  }
  if (isGraph(model) && regression !== undefined && quality !== "loss alone") {
    const wanted = regression ? "squared-error" : "softmax-cross-entropy";
    if (regression !== (quality === "numbers")) {
      const labels = regression ? "numbers" : "classes";
      const term = model.objectives?.[0]?.terms[0];
      const place = term ? ["objectives", 0, "terms", 0, "loss"] : ["loss"];
      const message = `loss ${lossKind((term ?? model).loss)} does not fit labels that are ${labels}`;
      found.push(pair(["model", ...place], message, `use loss: ${wanted}`));
    }
  }
  return found;
}

/** Data of which each site has its own. */
function ownRecords(spec: RunSpec): Objections {
  const { data, between } = spec;
  const path = ["data", "path"];
  const found: Objection[] = [];
  if (!hasPlaces(data)) {
    if (data.split.by !== "place") return [];
    const message = "by: place is for data of which each site has its own files";
    const fix = "put {site} in data.path, or choose another split";
    return [pair(["data", "split", "by"], message, fix)];
  }
  if (data.split.by !== "place") {
    const message = "{site} in data.path says already which site has which records";
    found.push(pair(["data", "split", "by"], message, "leave data.split out, or by: place"));
  }
  if (!OWN_KINDS.includes(data.kind)) {
    const message = `sites cannot have their own ${data.kind} files`;
    found.push(pair(path, message, `use data of kind: ${OWN_KINDS.join(", ")}`));
  } else if (!("testPath" in data) || data.testPath === undefined) {
    const message = "the test rows of data that stay at the sites are in files of their own";
    found.push(pair(path, message, "name them with data.testPath"));
  }
  if ("path" in data && ![data.path].flat().every((each) => each.includes(SITE)))
    found.push(pair(path, "some paths have {site} and some have not", "put it in all of them"));
  if ("fallback" in data && data.fallback !== undefined) {
    const message = "generated digits cannot take the place of sites' own files";
    found.push(pair(["data", "fallback"], message, "leave it out"));
  }
  if (streamOf(spec)) {
    const message = "streams are dealt from data that one process reads";
    found.push(pair(path, message, "name files without {site}, or leave data.stream out"));
  }
  if (between.kind === "centralize" && liveWorld(spec)?.kind === "cluster") {
    const message = "centralize trains on the records of all sites, which stay at their sites here";
    found.push(pair(["between", "kind"], message, "choose another between, or world: simulated"));
  }
  return found;
}

/** Whether the labels are numbers; nothing where the data alone do not say. */
function isRegression(data: RunSpec["data"]): boolean | undefined {
  if (data.kind === "csv") return data.schema.label.as === "number";
  return data.kind === "libsvm" ? data.target === "number" : undefined;
}

function split({ data }: RunSpec): Objections {
  const { split } = data;
  const path = ["data", "split", "by"];
  if (split.by === "user" && data.kind !== "ratings") {
    return [pair(path, `only ratings have users, and data.kind is ${data.kind}`, "use by: iid")];
  }
  if ((split.by === "label" || split.by === "dirichlet") && data.kind === "ratings") {
    return [pair(path, "ratings have no labels to split by", "use by: user")];
  }
  if (split.by !== "column") return [];
  if (data.kind !== "csv") {
    const message = `only csv data has named columns, and data.kind is ${data.kind}`;
    return [pair(path, message, "use by: iid, range or label")];
  }
  const columns = Object.keys(data.schema.columns);
  const byFile = split.column === "file" && Array.isArray(data.path) && data.path.length > 1;
  if (byFile || columns.includes(split.column)) return [];
  const alike = nearest(split.column, columns);
  const fix = alike === undefined ? `name it under data.schema.columns` : `did you mean ${alike}?`;
  return [
    pair(["data", "split", "column"], `no column ${split.column} in data.schema.columns`, fix),
  ];
}

function target(spec: RunSpec): Objections {
  const { stop } = spec;
  const found: Objection[] = [];
  const quality = judged(spec);
  if (stop.rmse !== undefined && quality !== "numbers") {
    const what = quality === "classes" ? "a classifier" : "a model without labels";
    const message = `${what} has no rmse: this target is never reached`;
    const others = quality === "classes" ? "stop.accuracy or stop.loss" : "stop.loss";
    found.push(pair(["stop", "rmse"], message, `use ${others}`));
  }
  if (stop.accuracy !== undefined && quality !== "classes") {
    const regression =
      spec.model.kind === "matrix-factorisation" ? "matrix factorisation" : "a regression";
    const what = quality === "numbers" ? regression : "a model without labels";
    const message = `${what} has no accuracy: this target is never reached`;
    const others = quality === "numbers" ? "stop.rmse or stop.loss" : "stop.loss";
    found.push(pair(["stop", "accuracy"], message, `use ${others}`));
  } else if (stop.accuracy !== undefined && stop.accuracy > 0.9999) {
    found.push({
      code: "UNREACHABLE_TARGET",
      path: ["stop", "accuracy"],
      message: "no model gets every test example right: this target is never reached",
      fix: "aim lower, for example accuracy: 0.97, or leave it out and stop by maxClocks",
    });
  }
  return found;
}

function policy(spec: RunSpec, siteNames?: readonly string[]): Objections {
  const { between, policy } = spec;
  if (between.kind !== "centralize") return [];
  const may = (site: string): boolean =>
    (policy.sites[site] ?? policy.default).records === "may-move" || site === between.site;
  const staying = siteNames?.filter((site) => !may(site)) ?? [];
  const refused = siteNames
    ? staying.length > (between.site === undefined ? 1 : 0)
    : policy.default.records === "stay" && Object.keys(policy.sites).length === 0;
  if (!refused) return [];
  const whose = staying.length > 0 && staying.length < 6 ? ` of ${staying.join(", ")}` : "";
  const message = `centralize ships records, and the policy keeps the records${whose} where they are`;
  const fix = "set policy.default.records: may-move, or choose another between";
  return [pair(["between", "kind"], message, fix)];
}

function overlay({ between }: RunSpec, network?: KnownNetwork): Objections {
  if (between.kind !== "gaia" || !between.overlay) return [];
  const { groups, hubs } = between.overlay;
  if (groups === "preset" && network && !network.grouped) {
    const message = "these sites come without groups";
    return [
      pair(["between", "overlay", "groups"], message, "use groups: auto, or list the groups"),
    ];
  }
  if (Array.isArray(groups) && hubs && hubs.length !== groups.length) {
    const message = `${hubs.length} hubs for ${groups.length} groups`;
    return [pair(["between", "overlay", "hubs"], message, "name one hub a group, in their order")];
  }
  return [];
}

function world(spec: RunSpec): Objections {
  if (spec.faults.length === 0 || !liveWorld(spec)) return [];
  const message = "faults are injected in the simulated world only";
  return [pair(["faults"], message, "use world: simulated, or leave the faults out")];
}

/** Places where the file names a site. */
function* namedSites(spec: RunSpec): Generator<{ readonly path: Path; readonly name: string }> {
  for (const name of Object.keys(spec.policy.sites))
    yield { path: ["policy", "sites", name], name };
  const { between } = spec;
  if (between.kind === "centralize" && between.site !== undefined) {
    yield { path: ["between", "site"], name: between.site };
  }
  if (between.kind === "federated" && between.coordinator !== undefined) {
    yield { path: ["between", "coordinator"], name: between.coordinator };
  }
  if (between.kind === "gaia" && between.overlay) {
    const { groups, hubs = [] } = between.overlay;
    const under = ["between", "overlay"];
    for (const [i, group] of (Array.isArray(groups) ? groups : []).entries()) {
      for (const [j, name] of group.entries()) yield { path: [...under, "groups", i, j], name };
    }
    for (const [i, name] of hubs.entries()) yield { path: [...under, "hubs", i], name };
  }
  for (const [i, fault] of spec.faults.entries()) {
    const path = ["faults", i];
    if (fault.kind === "partition") {
      yield { path: [...path, "a"], name: fault.a };
      yield { path: [...path, "b"], name: fault.b };
    } else if (fault.kind === "delay") {
      if (fault.from !== undefined) yield { path: [...path, "from"], name: fault.from };
      if (fault.to !== undefined) yield { path: [...path, "to"], name: fault.to };
    } else if (fault.kind === "crash") {
      yield { path: [...path, "node"], name: fault.node.split("/")[0] ?? fault.node };
    } else if (fault.kind === "leave" || fault.kind === "join") {
      yield { path: [...path, "target"], name: fault.target.split("/")[0] ?? fault.target };
    }
  }
  const straggler = spec.sites.processor.straggler;
  if (straggler?.kind === "slow") {
    for (const [i, node] of straggler.nodes.entries()) {
      const path = ["sites", "processor", "straggler", "nodes", i];
      yield { path, name: node.split("/")[0] ?? node };
    }
  }
}

function names(spec: RunSpec, siteNames: readonly string[]): Objections {
  const found: Objection[] = [];
  for (const { path, name } of namedSites(spec)) {
    if (siteNames.includes(name)) continue;
    const alike = nearest(name, siteNames);
    const some = siteNames.slice(0, 12).join(", ");
    const fix = alike === undefined ? `sites: ${some}` : `did you mean ${alike}?`;
    found.push({ code: "UNKNOWN_SITE", path, message: `there is no site ${name}`, fix });
  }
  return found;
}
