/** What tests place: a process that behaves as its argument says. */
import { connect } from "node:net";
import { onParentGone } from "../../src/world/cluster/place/parent.ts";

const behaviours: Readonly<Record<string, () => void>> = {
  /** Waits until it is told to end, or its parent is gone. */
  waits: () => {
    const timer = setInterval(() => {}, 1_000);
    process.on("SIGTERM", () => {
      console.log("told to end");
      clearInterval(timer);
    });
    onParentGone(() => process.exit(70));
    const port = process.env["PLACED_JOINS"];
    if (port !== undefined) connect(Number(port), "127.0.0.1");
    console.log(`waits ${process.pid}`);
  },
  /** Hears nothing but SIGKILL. */
  deaf: () => {
    setInterval(() => {}, 1_000);
    process.on("SIGTERM", () => console.log("not yet"));
    console.log("deaf");
  },
  fails: () => {
    console.log("first line");
    console.error(`${process.env["PLACED"]} has no data`);
    process.exitCode = 3;
  },
};
behaviours[process.argv[2] ?? ""]?.();
