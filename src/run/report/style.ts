/**
 * The look of a report: dark and light by the reader's setting. Series colours are those of Okabe and Ito
 * ("Color Universal Design", 2008), lightened for the dark ground; lines also differ by dash.
 */
export const STYLE = `
:root { color-scheme: light dark; --ground: #ffffff; --card: #f6f7f9; --text: #1b2027; --muted: #58616d;
  --rule: #d9dde3; --heat: 0 114 178; --good: #00704f; --bad: #b04a00;
  --c0: #6b7280; --c1: #0072b2; --c2: #c25500; --c3: #008860; --c4: #a8497f; --c5: #946200; --c6: #2a7fb8;
  --compute: #0072b2; --wire: #e69f00; --wait: #b9bfc8; }
@media (prefers-color-scheme: dark) { :root { --ground: #12151a; --card: #1b2027; --text: #e8ebef;
  --muted: #a2abb8; --rule: #343b46; --heat: 86 180 233; --good: #4fd6a8; --bad: #ff9d5c;
  --c0: #a2abb8; --c1: #6cb8f0; --c2: #ff9354; --c3: #3fcf9f; --c4: #e79cc4; --c5: #f0bb3a; --c6: #9ad2f5;
  --compute: #56b4e9; --wire: #f0bb3a; --wait: #59626f; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 1240px; background: var(--ground);
  color: var(--text); font: 15px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; } h2 { font-size: 1.15rem; margin: 2.5rem 0 .75rem; }
h3 { font-size: .95rem; margin: 0 0 .25rem; } * + h3 { margin-top: 1.2rem; } p { margin: .25rem 0; }
.lead { font-size: 1.15rem; line-height: 1.45; max-width: 54rem; margin: .75rem 0 1rem; }
.muted, caption, figcaption { color: var(--muted); } figcaption h3 { color: var(--text); }
.notes { border-left: 3px solid var(--wire); padding: .1rem 0 .1rem .9rem; margin: 1rem 0; }
.notes p { max-width: 60rem; }
table { border-collapse: collapse; font-size: .86rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding-bottom: .4rem; }
th, td { padding: .32rem .5rem; text-align: right; border-bottom: 1px solid var(--rule); white-space: nowrap; }
th { font-weight: 600; } thead th { color: var(--muted); font-weight: 500; vertical-align: bottom; }
th:first-child, td.text { text-align: left; }
.scroll { overflow-x: auto; } .scroll:focus-visible, svg:focus-visible { outline: 2px solid var(--c1); }
.yes { color: var(--good); } .no { color: var(--bad); }
.swatch { display: inline-block; width: .7em; height: .7em; border-radius: 2px; margin-right: .45em; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 500px), 1fr)); gap: 1.25rem; }
figure { margin: 0; padding: .9rem 1rem .6rem; background: var(--card); border-radius: 8px; position: relative; }
svg { display: block; width: 100%; height: auto; font: 11.5px system-ui, "Segoe UI", Roboto, sans-serif; }
.scaled > input { position: absolute; opacity: 0; width: 1px; height: 1px; }
.scaled > label { position: absolute; top: .8rem; font-size: .78rem; color: var(--muted); cursor: pointer;
  padding: .05rem .45rem; border-radius: 4px; }
.scaled > label[for$="-lin"] { right: 6.1rem; } .scaled > label[for$="-log"] { right: 1rem; }
.scaled > input:checked + label { color: var(--text); background: var(--rule); }
.scaled > input:focus-visible + label { outline: 2px solid var(--c1); }
.scaled > .lin, .scaled > .log { display: none; }
.pick-lin:checked ~ .lin, .pick-log:checked ~ .log { display: block; }
.grid line { stroke: var(--rule); stroke-width: 1; } .axis, .ticks line { stroke: var(--muted); }
.ticks text, .label, .goal-text { fill: var(--muted); } .ticks.y text { text-anchor: end; }
.ticks.x text, .label { text-anchor: middle; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.goal { stroke: var(--muted); stroke-dasharray: 2 4; }
.name { font-weight: 600; stroke: var(--card); stroke-width: 3; paint-order: stroke; }
.facts { font-weight: 400; }
${[0, 1, 2, 3, 4, 5, 6]
  .map(
    (i) => `.line.c${i} { stroke: var(--c${i}); } .dot.c${i}, .name.c${i} { fill: var(--c${i}); }
.swatch.c${i} { background: var(--c${i}); }`,
  )
  .join("\n")}
.line.c0 { stroke-dasharray: 6 4; } .line.c3 { stroke-dasharray: 10 3; } .line.c4 { stroke-dasharray: 3 3; }
.line.main { stroke-width: 2.8; stroke-dasharray: none !important; }
.line.c5 { stroke-dasharray: 8 3 2 3; } .line.c6 { stroke-dasharray: 1 3; }
.hair { stroke: var(--muted); stroke-width: 1; }
.tip { position: absolute; pointer-events: none; background: var(--ground); border: 1px solid var(--rule);
  border-radius: 6px; padding: .35rem .55rem; font-size: .78rem; z-index: 2; white-space: nowrap; }
.tip table { font-size: inherit; } .tip td, .tip th { border: 0; padding: 0 .3rem; }
.heat td { min-width: 4.6em; border: 1px solid var(--ground); background: rgb(var(--heat) / var(--share, 0)); }
.heat td.own { color: var(--muted); } .heat thead th { text-align: right; }
.bar { display: flex; width: 15rem; height: .85rem; border-radius: 3px; overflow: hidden; }
.bar i { display: block; height: 100%; } .compute { background: var(--compute); }
.wire { background: var(--wire); } .wait { background: var(--wait); }
.legend { display: flex; gap: 1.2rem; font-size: .85rem; color: var(--muted); margin: .3rem 0 .6rem; }
details { margin: .5rem 0; } summary { cursor: pointer; padding: .3rem 0; }
details.run > summary { font-weight: 600; } details.run { border-top: 1px solid var(--rule); }
.pair { display: flex; flex-wrap: wrap; gap: 1.5rem 2.5rem; align-items: flex-start; margin: .5rem 0 1rem; }
.pair > * { max-width: 100%; }
code, .code { font: .84rem ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
td.code { text-align: left; white-space: normal; overflow-wrap: anywhere; }
@media print { body { max-width: none; } details:not([open]) { display: none; } }
`;
