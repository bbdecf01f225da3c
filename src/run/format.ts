/** Numbers as people read them; for terminal, report and conclusion alike. */

/** `41 s`, `3 min 20 s`, `2.1 h`; three digits below a minute. */
export function seconds(value: number): string {
  if (!Number.isFinite(value)) return "-";
  if (value === 0) return "0 s";
  if (value < 0.001) return `${(value * 1e6).toFixed(0)} us`;
  if (value < 1) return `${digits(value * 1000)} ms`;
  if (value < 100) return `${digits(value)} s`;
  if (value < 6000) {
    const whole = Math.round(value);
    return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  }
  if (value < 172_800) return `${digits(value / 3600)} h`;
  return `${digits(value / 86_400)} d`;
}

/** `812 B`, `4.1 KB`, `12.3 GB`: powers of ten. */
export function bytes(value: number): string {
  const units = ["B", "KB", "MB", "GB", "TB", "PB"];
  let unit = 0;
  let rest = value;
  while (rest >= 999.5 && unit < units.length - 1) {
    rest /= 1000;
    unit++;
  }
  return `${unit === 0 ? Math.round(rest) : digits(rest)} ${units[unit]}`;
}

/** `950 Kbit/s`, `12.3 Mbit/s`, `1.50 Gbit/s`. */
export function bitRate(value: number): string {
  if (value < 999_500) return `${digits(value / 1e3)} Kbit/s`;
  return value < 999.5e6 ? `${digits(value / 1e6)} Mbit/s` : `${digits(value / 1e9)} Gbit/s`;
}

/** Three significant digits, no exponent. */
export function digits(value: number): string {
  const size = Math.abs(value);
  if (size >= 99.95) return value.toFixed(0);
  if (size >= 9.995) return value.toFixed(1);
  return value.toFixed(2);
}

/** `97.0 %` of a share. */
export const percent = (share: number, places = 1): string => `${(share * 100).toFixed(places)} %`;

/** `USD 0.12`; more digits where it is cheap. */
export function dollars(value: number): string {
  if (value === 0) return "USD 0";
  const places = value >= 0.095 ? 2 : value >= 0.0095 ? 3 : 4;
  return value < 0.00005 ? "under USD 0.0001" : `USD ${value.toFixed(places)}`;
}

/** `12.3x`, `1.1x`, `140x`. */
export const times = (ratio: number): string =>
  `${ratio >= 99.5 ? ratio.toFixed(0) : ratio.toFixed(1)}x`;

const NUMERALS = [
  "no",
  "one",
  "two",
  "three",
  "four",
  "five",
  "six",
  "seven",
  "eight",
  "nine",
  "ten",
  "eleven",
  "twelve",
];

/** `eleven`; figures above twelve. */
export const numeral = (value: number): string =>
  NUMERALS[value] ?? value.toLocaleString("en-US").replaceAll(",", " ");

/** What a run aims at: `97.0 % accuracy`, `RMSE 0.90`. */
export function targetText(target: {
  readonly accuracy?: number | undefined;
  readonly rmse?: number | undefined;
  readonly loss?: number | undefined;
}): string {
  return [
    target.accuracy === undefined ? "" : `${percent(target.accuracy)} accuracy`,
    target.rmse === undefined ? "" : `RMSE ${target.rmse}`,
    target.loss === undefined ? "" : `loss ${target.loss}`,
  ]
    .filter((part) => part !== "")
    .join(" and ");
}
