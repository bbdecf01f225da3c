#!/usr/bin/env node
/** The `pangaea` command. A second Ctrl-C ends the process at once. */
import { processIo } from "./io.ts";
import { runCli } from "./program.ts";

let interrupts = 0;
process.on("SIGINT", () => {
  interrupts++;
  // Nothing to end cleanly, or asked twice.
  if (interrupts > 1 || process.listenerCount("SIGINT") === 1) process.exit(130);
});
process.exitCode = await runCli(process.argv.slice(2), processIo());
