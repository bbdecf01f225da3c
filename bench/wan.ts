/**
 * Connections between sites over real kernel TCP: two network namespaces joined by a link in user space
 * (bench/wan/tun.c), so that slow start, windows, queues and loss are felt.
 *
 *   npx tsx bench/wan.ts [--quick] [--json] [--loss 0.001] [--streams 1,4,8] [100x20 100x100 1000x100 ...]
 *
 * A link is Mbit/s x milliseconds there and back; its queue holds one bandwidth-delay product. Needs a C compiler,
 * user namespaces (`unshare -Urn`) and /dev/net/tun; says which is missing, and fails, where one is. The reference's
 * figures (in brackets) are of bare TCP with as many streams, on another day; `bare` is that in this run.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { machine } from "./harness.ts";
import type { Figures, WanTask } from "./wan/host.ts";

const file = (name: string): string => fileURLToPath(new URL(`./wan/${name}`, import.meta.url));
const argv = process.argv.slice(2);
const option = (name: string, otherwise: string): string =>
  argv.includes(name) ? (argv[argv.indexOf(name) + 1] ?? otherwise) : otherwise;
const seconds = argv.includes("--quick") ? 2 : 5;
const loss = Number(option("--loss", "0"));
const streamCounts = option("--streams", "1,4,8").split(",").map(Number);
const links = argv.filter((word) => /^\d+x\d+$/.test(word));

/** Goodput Mbit/s, 1 MB cold and warm ms, control ms beside bulk. */
const REFERENCE: Readonly<Record<string, readonly (number | undefined)[]>> = {
  "100x20, 1": [95, undefined, undefined, undefined],
  "100x100, 1": [81, 757, 188, 172],
  "1000x100, 1": [224, 650, 183, 101],
  "1000x100, 4": [800, 655, 184, 103],
  "1000x100, 8": [795, 655, 184, 167],
};

/** What is missing for the link, or nothing. */
function missing(): string | undefined {
  if (!existsSync("/dev/net/tun")) return "there is no /dev/net/tun";
  const namespaces = spawnSync("unshare", ["-Urn", "true"], { encoding: "utf8" });
  if (namespaces.status !== 0)
    return `no user namespaces: unshare -Urn says: ${namespaces.stderr || namespaces.error?.message}`;
  return compiler() === undefined ? "there is no C compiler (cc, gcc, clang)" : undefined;
}

const compiler = (): string | undefined =>
  ["cc", "gcc", "clang"].find((name) => spawnSync(name, ["--version"]).status === 0);

function host(task: WanTask): string {
  const words = [process.execPath, "--import", "tsx", file("host.ts"), JSON.stringify(task)];
  return `exec ${words.map((word) => `'${word}'`).join(" ")}`;
}

function run(program: string, link: string, streams: number): Figures {
  const [rate, trip] = link.split("x").map(Number) as [number, number];
  const queue = Math.max(256_000, (rate * 1e6 * trip) / 8e3);
  const mtu = rate >= 1000 ? 9000 : 1500;
  const settings = [rate, trip / 2, 0, loss, Math.round(queue), mtu].map(String);
  const hosts = [host({ role: "listen" }), host({ role: "dial", streams, seconds })];
  const out = execFileSync("unshare", ["-Ur", program, ...settings, ...hosts], {
    encoding: "utf8",
    timeout: 120_000,
    stdio: ["ignore", "pipe", "inherit"],
  });
  return JSON.parse(out) as Figures;
}

function row(link: string, streams: number, figures: Figures): string {
  const { goodput, raw, cold, warm, control, controlMost, idle, estimated } = figures;
  const known = REFERENCE[`${link}, ${streams}`] ?? [];
  const cell = (value: number, reference?: number | undefined): string =>
    `${value.toFixed(0)}${reference === undefined ? "" : ` (${reference})`}`.padEnd(13);
  return [
    `${link}, ${streams}`.padEnd(13),
    ...[cell(goodput, known[0]), cell(raw), cell(cold, known[1]), cell(warm, known[2]), cell(idle)],
    `${cell(control, known[3])}${cell(controlMost)}`,
    `${estimated[0].toFixed(0)} Mbit/s, ${estimated[1].toFixed(1)} ms`,
  ].join("");
}

const lacking = missing();
if (lacking !== undefined) {
  console.error(`bench/wan: ${lacking}; the link needs it`);
  process.exit(1);
}
const folder = mkdtempSync(join(tmpdir(), "wan-"));
try {
  const program = join(folder, "tun");
  execFileSync(compiler()!, ["-O2", "-o", program, file("tun.c")], { stdio: "inherit" });
  const json = argv.includes("--json");
  if (!json) {
    console.log(`${machine()}; ${seconds} s of bulk; loss ${loss}; (reference: bare TCP)`);
    const heads = [
      "goodput",
      "bare",
      "1 MB cold",
      "1 MB warm",
      "idle",
      "control",
      "95 %",
      "estimated",
    ];
    console.log(`${"link, streams".padEnd(13)}${heads.map((head) => head.padEnd(13)).join("")}`);
    console.log(
      `${" ".repeat(13)}${["Mbit/s", "Mbit/s", ...Array(5).fill("ms")].map((unit) => unit.padEnd(13)).join("")}`,
    );
  }
  for (const link of links.length > 0 ? links : ["100x20", "100x100", "1000x100"])
    for (const streams of streamCounts) {
      const figures = run(program, link, streams);
      if (json) console.log(JSON.stringify({ link, streams, loss, seconds, ...figures }));
      else console.log(row(link, streams, figures));
    }
} finally {
  rmSync(folder, { recursive: true });
}
