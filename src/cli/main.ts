#!/usr/bin/env node
/**
 * The `pangaea` command. A second Ctrl-C ends the process at once, but for what runs elsewhere: that is told, for a few
 * seconds or until a third.
 */
import { Farewells, processIo } from "./io.ts";
import { runCli } from "./program.ts";

const farewells = new Farewells();
let interrupts = 0;
const force = (): never => process.exit(130);
process.on("SIGINT", () => {
  interrupts++;
  if (interrupts === 2 && farewells.any) farewells.say().then(force, force);
  // Nothing to end cleanly, or asked twice.
  else if (interrupts > 1 || process.listenerCount("SIGINT") === 1) force();
});
process.exitCode = await runCli(process.argv.slice(2), processIo(farewells));
