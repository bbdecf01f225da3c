/** The few colours of the terminal, by meaning. */
import pc from "picocolors";

export interface Paint {
  readonly strong: (text: string) => string;
  readonly faint: (text: string) => string;
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly accent: (text: string) => string;
}

export function paint(color: boolean): Paint {
  const { bold, dim, green, red, cyan } = pc.createColors(color);
  return { strong: bold, faint: dim, good: green, bad: red, accent: cyan };
}
