/**
 * Running graphs on ONNX Runtime: its native library in Node (`onnxruntime-node`), its WebAssembly build
 * (`onnxruntime-web`) where that is missing, and WebGPU where a browser has it (`pangaea/browser` asks).
 * One thread a session, so that results repeat; parallelism comes from more sessions in more threads.
 *
 * Tensors are views of flat arrays: inputs are read anew at each run, outputs are written in place. ONNX
 * Runtime refuses shared memory, so whoever holds shared arrays copies once in and once out.
 */
import type { InferenceSession, Tensor } from "onnxruntime-web";
import { PangaeaError } from "../../core/errors.ts";
import type { ElementType, Graph } from "./graph.ts";
import { writeModel } from "./proto/write.ts";

export type RuntimeName = "native" | "wasm" | "webgpu";

/** Elements as ONNX Runtime wants them: never SharedArrayBuffer-backed. */
export type TensorData = Float32Array | Uint8Array | Int32Array | BigInt64Array;
export type Tensors = Readonly<Record<string, Tensor>>;

/** A graph ready to run. */
export interface Program {
  /** Runs the graph on the tensors of `feeds` and writes each result into the tensor of `fetches`. */
  run(feeds: Tensors, fetches: Tensors): Promise<void>;
  release(): Promise<void>;
}

/** ONNX Runtime, loaded. */
export interface Engine {
  readonly name: RuntimeName;
  /** A tensor over `data`, which it shares. */
  tensor(type: ElementType, data: TensorData, shape: readonly number[]): Tensor;
  load(graph: Graph): Promise<Program>;
}

/** ONNX Runtime, loaded at first use. Share one among learners: it warns once. */
export interface Runtime {
  engine(): Promise<Engine>;
}

export interface RuntimeOptions {
  /** Told once if the native library is missing: what is used instead and the command that brings it. */
  readonly warn?: ((message: string) => void) | undefined;
  /** Absent: native, or WebAssembly where that is missing. */
  readonly only?: RuntimeName | undefined;
}

export const MISSING_NATIVE =
  "ONNX Runtime's native library is missing, so models run on its WebAssembly build, two to four times " +
  "slower. To bring it: npm install onnxruntime-node --ignore-scripts";

export function createRuntime(options: RuntimeOptions = {}): Runtime {
  let engine: Promise<Engine> | undefined;
  return { engine: () => (engine ??= loadEngine(options)) };
}

type Ort = typeof import("onnxruntime-web");

async function loadEngine({ warn, only }: RuntimeOptions): Promise<Engine> {
  if (only === "webgpu") return webEngine(await import("onnxruntime-web/webgpu"), "webgpu");
  if (only !== "wasm") {
    try {
      return nativeEngine((await import("onnxruntime-node")) as unknown as Ort);
    } catch (cause) {
      if (only === "native")
        throw new PangaeaError("NATIVE_RUNTIME_MISSING", MISSING_NATIVE, { cause });
      warn?.(missing(cause));
    }
  }
  return webEngine(await import("onnxruntime-web"), "wasm");
}

/** Why a library that is there does not load (another C library, say) is worth reading. */
function missing(cause: unknown): string {
  const { code, message } = cause as Error & { code?: string };
  const absent = code === "ERR_MODULE_NOT_FOUND" || code === "MODULE_NOT_FOUND";
  return absent ? MISSING_NATIVE : `${MISSING_NATIVE} (it did not load: ${message})`;
}

const SESSION: InferenceSession.SessionOptions = {
  graphOptimizationLevel: "all",
  executionMode: "sequential",
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  logSeverityLevel: 3,
  // Our DequantizeLinear only scales bytes; the quantisation passes would add work around it.
  extra: { session: { disable_quant_qdq: "1" } },
};

const tensorsOf =
  (ort: Ort): Engine["tensor"] =>
  (type, data, shape) =>
    new ort.Tensor(type as "float32", data as Float32Array, shape);

function nativeEngine(ort: Ort): Engine {
  ort.env.logLevel = "error";
  return {
    name: "native",
    tensor: tensorsOf(ort),
    async load(graph) {
      const session = await ort.InferenceSession.create(writeModel(graph), {
        ...SESSION,
        executionProviders: ["cpu"],
      });
      return {
        async run(feeds, fetches) {
          await session.run(feeds, fetches);
        },
        release: () => session.release(),
      };
    },
  };
}

/** Results lie in the runtime's own memory; they are copied out into the fetches. */
function webEngine(ort: Ort, name: "wasm" | "webgpu"): Engine {
  ort.env.logLevel = "error";
  ort.env.wasm.numThreads = 1;
  return {
    name,
    tensor: tensorsOf(ort),
    async load(graph) {
      const session = await ort.InferenceSession.create(writeModel(graph), {
        ...SESSION,
        executionProviders: [name],
      });
      return {
        async run(feeds, fetches) {
          const results = await session.run(feeds, Object.keys(fetches));
          for (const [output, tensor] of Object.entries(fetches))
            (tensor.data as Float32Array).set(results[output]?.data as Float32Array);
        },
        release: () => session.release(),
      };
    },
  };
}
