"""The look of drai's HTML pages: a printed page's calm, in light and in dark. CSS only."""

from __future__ import annotations

# Every text colour has a contrast of at least 4.5 to every ground; a test computes it.
LIGHT = {
    "ground": "#ffffff",
    "ink": "#1a1e24",
    "muted": "#565e69",
    "rule": "#c8cdd5",
    "faint": "#e6e9ed",
    "band": "#f3ddc6",
    "value": "#1d5c94",
    "baseline": "#9a4a00",
    "good": "#17663a",
    "near": "#6a5600",
    "poor": "#a12a22",
}
DARK = {
    "ground": "#14171b",
    "ink": "#e3e6ea",
    "muted": "#a4acb7",
    "rule": "#434a54",
    "faint": "#2a3038",
    "band": "#4d3722",
    "value": "#7fbcf2",
    "baseline": "#f0a868",
    "good": "#74cf9b",
    "near": "#dfc56a",
    "poor": "#ff9a8f",
}


def _colours(palette: dict[str, str]) -> str:
    return " ".join(f"--{name}: {colour};" for name, colour in palette.items())


STYLE = (
    f"""\
:root {{ color-scheme: light; {_colours(LIGHT)} }}
@media screen and (prefers-color-scheme: dark) {{ :root {{ color-scheme: dark; {_colours(DARK)} }} }}
"""
    + """\
*, *::before, *::after { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0; background: var(--ground); color: var(--ink);
  font: 1.0625rem/1.55 Charter, "Bitstream Charter", "Iowan Old Style", Palatino, Georgia, "Liberation Serif", serif;
}
main { max-width: 62rem; margin: 0 auto; padding: 2.5rem 1.5rem 4rem; overflow-wrap: anywhere; }
h1, h2, h3 { line-height: 1.25; font-weight: 600; text-wrap: balance; }
h1 { font-size: 1.875rem; margin: 0 0 .5rem; }
h2 { font-size: 1.375rem; margin: 3rem 0 .75rem; padding-top: .75rem; border-top: 1px solid var(--rule); }
h3 { font-size: 1.0625rem; margin: 2rem 0 .5rem; }
p { margin: .75rem 0; max-width: 42rem; }
a { color: var(--value); text-underline-offset: .15em; }
a:focus-visible, .scroll:focus-visible { outline: 2px solid var(--value); outline-offset: 2px; }
.over { margin: 0 0 .25rem; }
.over, nav, table, dl, figcaption, .note, .footnotes, footer {
  font-family: "Helvetica Neue", Helvetica, Arial, "Liberation Sans", Roboto, sans-serif;
}
.over, nav, .footnotes, footer { font-size: .875rem; color: var(--muted); }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; list-style: none; margin: 1.25rem 0 0; padding: 0; }
.verdict { font-size: 1.125rem; }
.note { max-width: 42rem; margin: 1rem 0; padding: .125rem 0 .125rem .875rem; font-size: .9375rem; line-height: 1.5; }
.note { border-left: 3px solid var(--rule); }
.note p { margin: 0; }
.note ul { margin: .25rem 0 0; padding-left: 1.125rem; }
.missing { border-left-style: double; border-left-width: 4px; }
code { font: .92em ui-monospace, SFMono-Regular, Menlo, "Liberation Mono", monospace; }

dl { font-size: .875rem; line-height: 1.45; margin: 1rem 0; }
dl.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 18rem), 1fr)); gap: .5rem 2rem; }
.sides { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); gap: 0 3rem; }
.sides h2 { font-size: .9375rem; margin: 1.25rem 0 .375rem; padding: 0 0 .25rem; }
.sides h2 { border: 0; border-bottom: 1px solid var(--rule); }
dl.rows { margin: 0; }
dl.rows > div { display: grid; grid-template-columns: 7rem minmax(0, 1fr); gap: .75rem; padding: .125rem 0; }
dl.rows ul { display: flex; flex-wrap: wrap; gap: 0 1rem; list-style: none; margin: 0; padding: 0; }
dl.terms > div { margin: .625rem 0; max-width: 42rem; }
dt { color: var(--muted); }
dl.terms dt { color: var(--ink); font-weight: 600; }
dd { margin: 0; font-variant-numeric: tabular-nums; }

.scroll { overflow-x: auto; margin: 1.5rem 0; }
table {
  border-collapse: collapse; width: 100%; overflow-wrap: normal; font-size: .875rem; line-height: 1.4;
  font-variant-numeric: lining-nums tabular-nums; border-bottom: 1.5px solid var(--ink);
}
caption { text-align: left; padding: 0 0 .5rem; line-height: 1.45; }
/* Stays where it is while its table scrolls. */
.caption { position: sticky; left: 0; width: 100%; max-width: min(100vw - 2rem, 59rem); }
caption p, td p, th p { margin: .125rem 0 0; color: var(--muted); font-weight: 400; max-width: 42rem; }
thead th, thead td { border-top: 1.5px solid var(--ink); border-bottom: 1px solid var(--ink); vertical-align: bottom; }
th, td { padding: .375rem .75rem .375rem 0; text-align: left; vertical-align: baseline; font-weight: 400; }
th:last-child, td:last-child { padding-right: 0; }
thead th, tbody th strong, .group th { font-weight: 600; }
tbody + tbody { border-top: 1px solid var(--rule); }
.group th { padding-top: .625rem; }
td bdi, th bdi { display: inline-block; max-width: 12rem; overflow-wrap: break-word; vertical-align: top; }
table.plot bdi { max-width: 100%; overflow-wrap: anywhere; }
.narrow { display: none; }
.number { white-space: nowrap; }
.aside { color: var(--muted); font-size: .8125rem; }
.interval { color: var(--muted); white-space: nowrap; }
.word { white-space: nowrap; font-weight: 600; }
.word.good { color: var(--good); } .word.near { color: var(--near); } .word.poor { color: var(--poor); }

table.summary td:last-child { width: 4.5rem; }
table.measures { min-width: 42rem; }
table.measures th[scope=rowgroup] { width: 34%; }
table.measures td .aside, table.compared th .aside, table.compared td .aside { display: block; }
table.measures tbody th, table.measures td { vertical-align: top; }
table.compared { width: auto; min-width: min(100%, 32rem); }
table.compared td { white-space: nowrap; }
table.compared th:first-child { min-width: 6.5rem; position: sticky; left: 0; background: var(--ground); }
table.compared sup { line-height: 0; }
ol.footnotes { list-style: lower-alpha; padding-left: 1.5rem; max-width: 42rem; }

table.plot { table-layout: fixed; }
table.plot td, table.plot th { padding-top: 0; padding-bottom: 0; vertical-align: middle; }
table.plot thead th { padding-top: .375rem; padding-bottom: .375rem; vertical-align: bottom; }
table.plot .name { width: 22%; } table.plot td.strip { width: auto; padding: 0 1rem; }
table.plot .figure { width: 11.5rem; } table.plot .beside { width: 5.5rem; } table.plot .count { width: 4rem; }
table.plot tbody th { padding-top: .25rem; padding-bottom: .25rem; line-height: 1.25; }
table.plot .all th, table.plot .all td.figure { font-weight: 600; }
table.plot .group th { padding-top: .5rem; }
table.plot tfoot { border-top: 1px solid var(--rule); }
svg { display: block; width: 100%; height: 1.875rem; overflow: visible; }
svg.key { display: inline-block; width: 1.5rem; height: .875rem; vertical-align: -.125rem; overflow: hidden; }
svg.axis { height: 1.375rem; }
svg text { font-size: .75rem; fill: var(--muted); font-variant-numeric: tabular-nums; }
svg .grid { stroke: var(--faint); } svg .whisker { stroke: var(--value); stroke-width: 1.5; }
svg .dot { fill: var(--value); } svg .band { fill: var(--band); }
svg .mark { stroke: var(--baseline); stroke-width: 2; }

.figures { margin: 1.5rem 0; }
.flowing { display: flex; flex-wrap: wrap; gap: 1.5rem 2rem; align-items: flex-start; }
.beside-each-other { display: grid; gap: 1.5rem 1rem; align-items: start; }
.beside-each-other { grid-template-columns: repeat(auto-fit, minmax(min(100%, 13rem), 1fr)); }
.beside-each-other img { image-rendering: auto; } /* shrunk: pixels would be left out */
.beside-each-other figure { width: auto !important; }
figure { margin: 0; min-width: 0; max-width: 100%; }
img { display: block; max-width: 100%; height: auto; image-rendering: pixelated; border: 1px solid var(--rule); }
figcaption { font-size: .875rem; line-height: 1.45; margin-top: .5rem; max-width: 42rem; color: var(--muted); }
figcaption strong { color: var(--ink); font-weight: 600; }
footer { margin-top: 3rem; padding-top: .75rem; border-top: 1px solid var(--rule); }

@media screen and (max-width: 40rem) {
  body { font-size: 1rem; }
  main { padding: 1.5rem 1rem 3rem; }
  h1 { font-size: 1.5rem; }
  img { image-rendering: auto; } /* likewise */
  th, td { padding-right: .5rem; }
  table.summary, table.plot { font-size: .8125rem; }
  table.summary .meaning, table.measures .meaning { display: none; } /* its sign stays */
  table.summary th[scope=row] { min-width: 5rem; } table.summary td { padding-right: .375rem; }
  table.summary td:last-child { width: auto; }
  table.plot .beside, table.plot .count, svg text.odd { display: none; }
  table.plot .interval, .narrow { display: block; white-space: normal; }
  table.summary .interval, table.plot .interval { font-size: .75rem; }
  table.summary bdi { max-width: 5.5rem; }
  .narrow { color: var(--muted); font-size: .75rem; font-weight: 400; }
  table.plot tbody td { padding-top: .25rem; padding-bottom: .25rem; }
  table.plot .name { width: 5.5rem; } table.plot td.strip { padding: 0 .5rem; } table.plot .figure { width: 6.25rem; }
}
@media print {
  @page { margin: 16mm 14mm; }
  body { font-size: 10pt; }
  main { max-width: none; padding: 0; }
  nav { display: none; }
  a { color: inherit; text-decoration: none; }
  h1, h2, h3, caption, thead { break-after: avoid; }
  h2 { margin-top: 1.5rem; }
  thead { display: table-header-group; }
  tr, tbody, caption, figure, .note, dl > div, .scroll.plot { break-inside: avoid; }
  .flowing figure { width: auto !important; flex: 1 1 45%; }
  img { max-height: 150mm; width: auto; }
  table { font-size: 8.5pt; }
  table.measures, table.compared { min-width: 0; width: 100%; }
  table.compared td { white-space: normal; }
  .scroll { overflow: visible; margin: 1rem 0; }
  svg, img { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""
)
