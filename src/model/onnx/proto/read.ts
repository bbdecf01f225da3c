/**
 * A model from the bytes of an ONNX file (https://onnx.ai/onnx/repo-docs/IR.html), as it stands there: its own
 * operator set, sizes by name. Only the file's form is judged here; whether we know an operator is for
 * `bindModel` to say. Subgraphs stay bytes.
 */
import type { Initializer, Node } from "../graph.ts";
import type { Dimension, Model, ModelValue } from "../model.ts";
import { type AttributeFile, readAttributes } from "./attribute.ts";
import { ASK, type Decoded, decode } from "./decode.ts";
import { inlineFunctions, standardDomain } from "./inline.ts";
import { type Complain, complaining } from "./malformed.ts";
import { orderNodes } from "./order.ts";
import { elementName, elementType, readTensor, typeFix } from "./tensor.ts";

export interface ReadModelOptions {
  /** The file's name, for errors. */
  readonly name?: string | undefined;
  /** Bytes of a file beside the model (external data), by its relative path; undefined if absent. */
  readonly external?: ((location: string) => Uint8Array | undefined) | undefined;
}

/** Operator sets that are read: ONNX Runtime 1.30 takes no newer one, and no IR version above 13. */
export const OLDEST_OPSET = 13;
export const NEWEST_OPSET = 26;
const NEWEST_IR = 13;
/** Since IR version 4 initializers need not be inputs; we list none as input, so we write at least this. */
const LEAST_IR = 4;

/**
 * Reads a whole file; tensors are views of them where those are aligned. Throws an `InputError` with the
 * byte: ONNX_MALFORMED, ONNX_OPSET, ONNX_TYPE, ONNX_EXTERNAL, ONNX_GRAPH.
 */
export function readModel(given: Uint8Array, options: ReadModelOptions = {}): Model {
  // A Buffer's methods are not those of a plain array.
  const bytes = new Uint8Array(given.buffer, given.byteOffset, given.length);
  const complain = complaining(options.name);
  const file = decode("Model", bytes, options.name);
  const { graph } = file;
  if (!graph || typeof file.irVersion !== "number" || file.irVersion < 1)
    throw complain("ONNX_MALFORMED", "it has no graph, or no version of the format", 0, ASK);
  if (file.irVersion > NEWEST_IR)
    throw complain(
      "ONNX_OPSET",
      `version ${file.irVersion} of the format; ${NEWEST_IR} is the newest that is read`,
      0,
      "export with an older onnx package",
    );
  const { opset, domains } = operatorSets(file, complain);
  const known = givenNames(graph, complain);
  const names = [...known, ...graph.node.flatMap((node) => [...node.input, ...node.output])];
  const inlined = inlineFunctions(graph.node, {
    functions: file.functions,
    opset,
    names,
    complain,
  });
  const ordered = orderNodes(inlined, known, complain);
  const source: AttributeFile = { bytes, complain, external: remembering(options.external) };
  const nodes = ordered.map((node) => readNode(node, source));
  const initializers = readInitializers(graph, nodes, source);
  checkOutputs(graph, known, nodes, complain);
  const weights = new Set(graph.initializer.map(({ name }) => name));
  return {
    name: graph.name ?? "",
    irVersion: Math.max(file.irVersion, LEAST_IR),
    opset,
    domains: neededDomains(domains, file.functions, nodes),
    producer: file.producerName ?? "",
    documentation: file.docString ?? "",
    metadata: Object.fromEntries(
      file.metadataProps.map(({ key, value }) => [key ?? "", value ?? ""]),
    ),
    nodes,
    inputs: graph.input
      .filter(({ name }) => !weights.has(name))
      .map((value) => readValue(value, "input", complain)),
    outputs: graph.output.map((value) => readValue(value, "output", complain)),
    initializers,
  };
}

function operatorSets(file: Decoded<"Model">, complain: Complain) {
  const domains = new Map<string, number>();
  for (const { domain, version, start } of file.opsetImport) {
    const known = domains.get(standardDomain(domain));
    if (typeof version !== "number" || (known !== undefined && known !== version))
      throw complain("ONNX_MALFORMED", `two versions, or none, of operator set ${domain}`, start);
    domains.set(standardDomain(domain), version);
  }
  const opset = domains.get("");
  domains.delete("");
  if (opset === undefined || opset < OLDEST_OPSET || opset > NEWEST_OPSET)
    throw complain(
      "ONNX_OPSET",
      opset === undefined ? "it names no operator set" : `operator set ${opset}`,
      file.start,
      `export with operator set ${OLDEST_OPSET} to ${NEWEST_OPSET} (opset_version=18), or convert it ` +
        "with onnx.version_converter",
    );
  return { opset, domains };
}

/** Domains of operators, without those whose functions have been written out. */
function neededDomains(
  domains: ReadonlyMap<string, number>,
  functions: readonly Decoded<"Function">[],
  nodes: readonly Node[],
): Readonly<Record<string, number>> {
  const own = new Set(functions.map(({ domain }) => standardDomain(domain)));
  const used = new Set(nodes.map(({ domain }) => domain));
  return Object.fromEntries(
    [...domains].filter(([domain]) => used.has(domain) || !own.has(domain)),
  );
}

/** Names that need no node: inputs and initializers. An initializer may be an input, too. */
function givenNames(graph: Decoded<"Graph">, complain: Complain): ReadonlySet<string> {
  const unique = (values: readonly (Decoded<"ValueInfo"> | Decoded<"Tensor">)[]) => {
    const names = new Set<string>();
    for (const { name = "", start } of values) {
      if (name === "" || names.has(name))
        throw complain("ONNX_GRAPH", name ? `two values ${name}` : "a value without name", start);
      names.add(name);
    }
    return names;
  };
  unique(graph.output);
  return new Set([...unique(graph.input), ...unique(graph.initializer)]);
}

function checkOutputs(
  graph: Decoded<"Graph">,
  given: ReadonlySet<string>,
  nodes: readonly Node[],
  complain: Complain,
): void {
  const made = new Set(nodes.flatMap((node) => node.outputs));
  for (const { name = "", start } of graph.output)
    if (!made.has(name) && !given.has(name))
      throw complain("ONNX_GRAPH", `nothing makes the model's output ${name}`, start);
}

function readNode(node: Decoded<"Node">, file: AttributeFile): Node {
  if (!node.opType)
    throw file.complain("ONNX_MALFORMED", `node ${node.name} has no operator`, node.start);
  const domain = standardDomain(node.domain);
  return {
    name: node.name ?? "",
    operator: node.opType,
    ...(domain === "" ? {} : { domain }),
    inputs: node.input,
    outputs: node.output,
    attributes: readAttributes(node, file),
  };
}

/** Initializers of a type that graphs do not have are left out if nothing reads them, else refused. */
function readInitializers(
  graph: Decoded<"Graph">,
  nodes: readonly Node[],
  file: AttributeFile,
): readonly Initializer[] {
  const sparse = graph.sparseInitializer[0];
  if (sparse)
    throw file.complain(
      "ONNX_TYPE",
      "it has sparse initializers",
      sparse.byteOffset - file.bytes.byteOffset,
      "export them dense",
    );
  const used = new Set(nodes.flatMap((node) => node.inputs));
  for (const { name } of graph.output) used.add(name ?? "");
  const hidden = nodes.some((node) => Object.values(node.attributes).some((held) => "raw" in held));
  return graph.initializer
    .filter(({ name, dataType }) => elementType(dataType) || hidden || used.has(name ?? ""))
    .map((tensor) => readTensor(tensor, file));
}

function readValue(
  { name, type, start }: Decoded<"ValueInfo">,
  what: string,
  complain: Complain,
): ModelValue {
  const tensor = type?.tensorType;
  const element = elementType(tensor?.elemType);
  if (!tensor || !element)
    throw complain(
      "ONNX_TYPE",
      `${what} ${name} is ${tensor ? `of ${elementName(tensor.elemType)}` : "no tensor"}`,
      start,
      typeFix(tensor?.elemType),
    );
  if (!tensor.shape)
    throw complain(
      "ONNX_TYPE",
      `${what} ${name} has no known number of axes`,
      start,
      "infer its shape with onnx.shape_inference.infer_shapes",
    );
  return {
    name: name ?? "",
    type: element,
    shape: tensor.shape.dim.map((dimension) => readDimension(dimension, complain)),
  };
}

/** Negative sizes, as some exporters write, say nothing. */
function readDimension(dimension: Decoded<"Dimension">, complain: Complain): Dimension {
  const { dimValue, dimParam = "", start } = dimension;
  if (typeof dimValue === "bigint")
    throw complain("ONNX_MALFORMED", `an axis of ${dimValue} elements`, start);
  return dimValue === undefined || dimValue < 0 ? dimParam : dimValue;
}

/** Each file is asked for once. */
function remembering(
  load: (location: string) => Uint8Array | undefined = () => undefined,
): AttributeFile["external"] {
  const known = new Map<string, Uint8Array | undefined>();
  return (location) => {
    if (!known.has(location)) known.set(location, load(location));
    return known.get(location);
  };
}
