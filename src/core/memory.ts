/** Memory that threads share, where a platform lets them: pages mostly do not, and use one thread of their own. */

/** Zeroed. */
export const sharedMemory = (bytes: number): ArrayBuffer | SharedArrayBuffer =>
  typeof SharedArrayBuffer === "undefined" ? new ArrayBuffer(bytes) : new SharedArrayBuffer(bytes);
