/** A node's store in a page: it survives a crash of the program, not of the page. */
import type { Store } from "../world/contract.ts";

export function createPageStore(): Store {
  const values = new Map<string, Uint8Array>();
  const logs = new Map<string, Uint8Array[]>();
  return {
    put: async (key, value) => {
      values.set(key, value.slice());
    },
    get: async (key) => values.get(key)?.slice(),
    append: async (key, value) => {
      const log = logs.get(key) ?? [];
      logs.set(key, log);
      log.push(value.slice());
    },
    list: async (key) => (logs.get(key) ?? []).map((value) => value.slice()),
  };
}
