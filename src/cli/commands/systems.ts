/** `pangaea systems`: what can be combined, from the schemas themselves. */
import type { Schema } from "../../run/file/schema.ts";
import { variantsOf } from "../../run/file/schema.ts";
import { BetweenSpec, WithinSpec } from "../../sync/options.ts";
import { EXIT } from "../exit.ts";
import type { Io } from "../io.ts";
import type { CommonOptions } from "../options.ts";
import { layout } from "../terminal/columns.ts";
import { paint } from "../terminal/paint.ts";

type Described = Readonly<Record<string, string>>;

const WITHIN: Readonly<Record<"bsp" | "ssp" | "tap", string>> = {
  bsp: "every read sees every update of the clocks before (--within bsp)",
  ssp: "reads may be s clocks behind, one's own updates always seen (--within ssp:3)",
  tap: "reads see whatever has arrived (--within tap)",
};

const BETWEEN: Readonly<Record<BetweenSpec["kind"], string>> = {
  stretched: "one parameter server over all sites, shards spread over them: what people do today",
  none: "each site alone; no byte crosses",
  centralize: "records are shipped to one site first (the policy must allow it)",
  federated: "sites train alone for a round, a coordinator averages them (FedAvg)",
  gaia: "only significant updates cross; selective barrier, mirror clock, hubs (Gaia)",
  cartel: "a small model a site on its stream; on drift, portions of a neighbour's model (Cartel)",
};

/** The codec that each way between sites uses. */
const CODEC: Readonly<Record<BetweenSpec["kind"], string>> = {
  stretched: "dense",
  none: "dense",
  centralize: "dense",
  federated: "dense",
  gaia: "significance",
  cartel: "portions",
};

/** What runs on a data set, and what on streams; some do both. */
const onData = (between: string): boolean => between !== "cartel";
const onStreams = (between: string): boolean => !["stretched", "gaia"].includes(between);

export async function systemsCommand(options: CommonOptions, io: Io): Promise<number> {
  const betweens = kindsOf(BetweenSpec);
  const withins = kindsOf(WithinSpec);
  const forms = Object.keys(WITHIN) as (keyof typeof WITHIN)[];
  const systems = betweens
    .filter(onData)
    .flatMap((between) =>
      forms.map((within) => ({ within, between, codec: (CODEC as Described)[between] ?? "dense" })),
    );
  if (options.json) {
    io.out(`${JSON.stringify({ within: WITHIN, between: BETWEEN, kinds: withins, systems })}\n`);
    return EXIT.done;
  }
  const color = paint(io.color);
  const table = (title: string, names: readonly string[], words: Described): string => {
    const columns = [
      { head: "", cells: names.map((name) => `  ${name}`), align: "left" as const },
      { head: "", cells: names.map((name) => words[name] ?? ""), align: "left" as const },
    ];
    return `${color.strong(title)}\n${layout(columns, 200, false).join("\n")}\n`;
  };
  io.out(`${table("within a site: parameter-server", forms, WITHIN)}
${table("between sites", betweens, BETWEEN)}
${table("codec: what is sent", betweens, CODEC)}
One model for all, trained on a data set: every within goes with each of these.
  pangaea compare FILE --between ${betweens.filter(onData).join(",")} --within bsp,ssp:3,tap
A model a site, learned from its stream (data.stream), where within has no meaning:
  pangaea compare FILE --between ${betweens.filter(onStreams).join(",")}
`);
  return EXIT.done;
}

const kindsOf = (schema: Schema): readonly string[] => [
  ...(variantsOf(schema)?.variants.keys() ?? []),
];
