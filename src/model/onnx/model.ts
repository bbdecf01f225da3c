/**
 * An ONNX model as it stands in a file: nodes of the file's own operator set, sizes that may be names
 * ("batch"), weights with their values. `bindModel` turns it into a static graph for one batch size.
 */
import type { ElementType, Initializer, Node } from "./graph.ts";

/** A size, or the name of one that is bound later; "" where the file says nothing. */
export type Dimension = number | string;

export interface ModelValue {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly Dimension[];
}

export interface Model {
  readonly name: string;
  readonly irVersion: number;
  /** Version of the default domain's operator set. */
  readonly opset: number;
  /** Versions of other operator sets, by domain. */
  readonly domains: Readonly<Record<string, number>>;
  readonly producer: string;
  readonly documentation: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** In topological order. */
  readonly nodes: readonly Node[];
  /** Without those that are initializers. */
  readonly inputs: readonly ModelValue[];
  readonly outputs: readonly ModelValue[];
  readonly initializers: readonly Initializer[];
}
