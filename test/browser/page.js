/** What the page runs: the package as it is built, and the training that Node does, too. */
import { createRandom } from "/dist/core/random.js";
import { createLearner, createRuntime } from "/dist/model/index.js";
import { train } from "./train.js";

export const run = (job) => train({ createLearner, createRuntime, createRandom }, job);
