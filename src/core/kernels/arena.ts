/**
 * The memory of one set of SIMD kernels: a bump allocator (nothing is freed; the memory goes with the
 * kernels) and a scratch area through which arrays from elsewhere are staged, chunk by chunk.
 */
import { outOfMemory } from "./check.ts";
import { instantiate, PAGE, type WasmKernels } from "./wasm.ts";

type Vector = Float32Array | Uint32Array;

/** How a staged array is used: copied in, copied back, or both. */
export type Access = "in" | "out" | "inout";

/** Elements of a chunk; a multiple of four, so that lanes stay in step. */
const CHUNK = 16384;
const SLOTS = 5;
const ALIGNMENT = 64;
/** Four float64 sums of a reduction. Address 0 is left unused. */
const SUMS = 64;
const SCRATCH = 128;
const HEAP = SCRATCH + SLOTS * CHUNK * 4;
/** Growth at a time: doubling, but no more than this. */
const LARGEST_STEP = 64 * 2 ** 20;

export interface Arena {
  readonly kernels: WasmKernels;
  /** The address of `size` fresh zeroed bytes, and the buffer they lie in. */
  reserve(size: number): { readonly buffer: SharedArrayBuffer; readonly at: number };
  /** Whether the array lies in this memory, so that its byteOffset is its address. */
  inside(array: Vector): boolean;
  /**
   * Calls `body` with the addresses of the arrays, in chunks where one of them lies elsewhere. `start` is
   * the index of the chunk's first element. The arrays have equal length.
   */
  staged(
    arrays: readonly Vector[],
    access: readonly Access[],
    body: (addresses: readonly number[], count: number, start: number) => void,
  ): void;
  /** Room for a chunk of indices, not used by `staged`. */
  readonly room: Uint32Array;
  /** The address of four sums, set to zero, for `run`; answers their total in the fixed order. */
  reduce(run: (sums: number) => void): number;
}

export function createArena(maximumPages = PAGE): Arena {
  const { memory, kernels } = instantiate(Math.ceil(HEAP / PAGE), maximumPages);
  const scratch = memory.buffer;
  const buffers = new Set<ArrayBufferLike>([scratch]);
  const sums = new Float64Array(scratch, SUMS, 4);
  const slots = Array.from({ length: SLOTS }, (_, slot) => {
    const at = SCRATCH + slot * CHUNK * 4;
    return {
      at,
      f32: new Float32Array(scratch, at, CHUNK),
      u32: new Uint32Array(scratch, at, CHUNK),
    };
  });
  let top = HEAP;

  const grow = (needed: number, size: number): void => {
    const have = memory.buffer.byteLength;
    const most = maximumPages * PAGE;
    if (needed > most) throw outOfMemory(size, top, most);
    const generous = Math.min(most, Math.max(needed, have + Math.min(have, LARGEST_STEP)));
    try {
      memory.grow(Math.ceil((generous - have) / PAGE));
    } catch (cause) {
      throw outOfMemory(size, top, most, cause);
    }
    buffers.add(memory.buffer);
  };

  const inside = (array: Vector): boolean => buffers.has(array.buffer);
  const slotView = (slot: number, array: Vector): Vector => {
    const { f32, u32 } = slots[slot]!;
    return array instanceof Float32Array ? f32 : u32;
  };

  return {
    kernels,
    inside,
    room: slots[SLOTS - 1]!.u32,
    reserve: (size) => {
      const at = top;
      const next = Math.ceil((at + size) / ALIGNMENT) * ALIGNMENT;
      if (next > memory.buffer.byteLength) grow(next, size);
      top = next;
      return { buffer: memory.buffer, at };
    },
    staged: (arrays, access, body) => {
      const { length } = arrays[0]!;
      for (let start = 0; start < length; start += CHUNK) {
        const count = Math.min(CHUNK, length - start);
        const addresses = arrays.map((array, slot) => {
          if (inside(array)) return array.byteOffset + 4 * start;
          if (access[slot] !== "out")
            slotView(slot, array).set(array.subarray(start, start + count));
          return slots[slot]!.at;
        });
        body(addresses, count, start);
        arrays.forEach((array, slot) => {
          if (access[slot] !== "in" && !inside(array))
            array.set(slotView(slot, array).subarray(0, count), start);
        });
      }
    },
    reduce: (run) => {
      sums.fill(0);
      run(SUMS);
      return sums[0]! + sums[1]! + (sums[2]! + sums[3]!);
    },
  };
}
