/** What the page runs: the package as it is built, and the training that Node does, too. */

import { browserRuntime } from "/dist/browser/index.js";
import { createRandom } from "/dist/core/random.js";
import { createLearner, createRuntime } from "/dist/model/index.js";
import { train } from "./train.js";

export async function run(job) {
  const runtime = job.only ? createRuntime({ only: job.only }) : await browserRuntime();
  return train({ createLearner, createRandom, runtime }, job);
}
