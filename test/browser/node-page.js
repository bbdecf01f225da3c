/** What the page runs: it joins the cluster and keeps what it is told. `leave` ends it. */
import { joinCluster } from "/dist/browser/index.js";

const controller = new AbortController();
export const said = [];
let left;

/** Resolves when the page is there for runs. */
export function join(options) {
  return new Promise((resolve, reject) => {
    left = joinCluster({
      ...options,
      signal: controller.signal,
      onStatus: (text) => {
        said.push(text);
        console.log(text);
        if (text.includes("is there for runs")) resolve();
      },
    });
    left.then(resolve, reject);
  });
}

export function leave() {
  controller.abort();
  return left;
}
