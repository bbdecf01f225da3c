/** The table of a report that says of each link what was measured beside what was declared. */
import { bitRate, seconds } from "../format.ts";
import type { LinkView, RunView } from "../view.ts";
import { type Html, html } from "./html.ts";

const MOST_LINKS = 24;
/** A description within this of the truth is a good one. */
const FAR_OFF = 1.25;
/** Round trips are not told apart more closely: programs take turns. */
const TURN_MICROS = 2_000;

interface Row extends LinkView {
  readonly from: string;
  readonly to: string;
  /** How many times too large or too small the declared figures are: the worse of the two. */
  readonly off: number;
}

/** Ordered pairs of sites, wrong descriptions first, the worst on top; nothing where nothing was measured. */
export function linkTable(view: RunView): Html | undefined {
  const nameOf = (site: string): string => view.sites.get(site)?.name ?? site;
  const rows = [...view.links].flatMap(([from, row]) =>
    [...row].map(([to, link]): Row => {
      const off = Math.max(goodputOff(link), tripOff(link));
      return { ...link, from: nameOf(from), to: nameOf(to), off };
    }),
  );
  if (rows.length === 0) return undefined;
  const wrongness = ({ off }: Row): number => (off > FAR_OFF ? off : 1);
  const names = ({ from, to }: Row): string => `${from} ${to}`;
  rows.sort((a, b) => wrongness(b) - wrongness(a) || (names(a) < names(b) ? -1 : 1));
  const wrong = rows.filter(({ off }) => off > FAR_OFF).length;
  const found = wrong === 0 ? "All are" : `${rows.length - wrong} of ${rows.length} are`;
  const more = rows.length > MOST_LINKS ? ` The ${MOST_LINKS} that differ most are shown.` : "";
  return html`<h3>Links</h3><div class="scroll" tabindex="0" role="region" aria-label="Links"><table>
<caption>Measured beside declared. ${found} within a quarter of their description.${more} "-": never enough was sent to tell.</caption>
<thead><tr><th scope="col">from</th><th scope="col">to</th><th scope="col">goodput</th><th scope="col">declared</th><th scope="col">round trip</th><th scope="col">declared</th></tr></thead>
<tbody>${rows.slice(0, MOST_LINKS).map(line)}</tbody></table></div>`;
}

function line(row: Row): Html {
  const { from, to, goodput, roundTripMicros, declared } = row;
  const measured = (value: string | undefined, off: number): Html =>
    html`<td${off > FAR_OFF && html` class="no"`}>${value ?? "-"}</td>`;
  return html`<tr><th scope="row">${from}</th><td class="text">${to}</td>${measured(
    goodput === undefined ? undefined : bitRate(goodput),
    goodputOff(row),
  )}<td>${bitRate(declared.bandwidth)}</td>${measured(
    roundTripMicros === undefined ? undefined : seconds(roundTripMicros / 1e6),
    tripOff(row),
  )}<td>${seconds(declared.roundTripMicros / 1e6)}</td></tr>`;
}

const goodputOff = ({ goodput, declared }: LinkView): number =>
  goodput === undefined ? 1 : ratio(goodput, declared.bandwidth);

const tripOff = ({ roundTripMicros: trip, declared }: LinkView): number =>
  trip === undefined || Math.abs(trip - declared.roundTripMicros) < TURN_MICROS
    ? 1
    : ratio(trip, declared.roundTripMicros);

const ratio = (a: number, b: number): number => Math.max(a / b, b / a);
