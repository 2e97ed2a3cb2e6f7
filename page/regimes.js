// The regime of each symbol, the drivers of symbols, composites and the dominance, and the share of
// each regime in the hourly closes of each day.
import { Component, html } from "/page/html.js";
import { get } from "/page/api.js";
import { one, onChange } from "/page/store.js";
import { Panel, Table } from "/page/table.js";
import { Time, day } from "/page/format.js";

// In the order of a column, from below.
const REGIMES = ["consolidation", "wide_structure", "tight_smc", "no_data"];
const DAYS = 60; // Columns at most,
const ROOM = 20; // room for this many at least,
const WIDE = 10; // the width of one,
const HIGH = 80; // and its height, units of the picture.
const HOUR = 3600000; // Width of the bars, and
const PAUSE = 3000; // the time between two requests, ms.

const COLUMNS = [
  { id: "symbol", name: "symbol", value: (r) => r.symbol, cell: (r) => r.symbol },
  { id: "regime", name: "regime", value: (r) => r.regime, cell: (r) => r.regime },
  { id: "since", name: "since", value: (r) => r.since,
    cell: (r) => html`<${Time} ms=${r.since} long=${true} />` },
  { id: "driver", name: "driver 1h", value: (r) => r.driver, cell: (r) => r.driver },
  { id: "bias", name: "bias", value: (r) => r.bias, cell: (r) => r.bias },
  { id: "driver_1m", name: "driver 1m", value: (r) => r.driver_1m, cell: (r) => r.driver_1m },
  { id: "driver_1d", name: "driver 1d", value: (r) => r.driver_1d, cell: (r) => r.driver_1d },
  { id: "missing", name: "missing", kind: "wide", value: (r) => r.missing,
    cell: (r) => r.missing },
];

const closes = (of) => REGIMES.reduce((sum, regime) => sum + of[regime], 0);
const percent = (part, whole) => (whole > 0 ? ((part / whole) * 100).toFixed(0) : "0");
const shares = (of) => REGIMES.map((regime) => `${regime} ${percent(of[regime], closes(of))} %`)
  .join(", ");

const Column = ({ of, at }) => {
  let below = 0;
  return html`<g><title>${`${day(of.day)}: ${shares(of)}`}</title>
    ${REGIMES.map((regime) => {
      const high = (of[regime] / closes(of)) * HIGH;
      below += high;
      return html`<rect key=${regime} class=${regime} x=${at * WIDE} y=${HIGH - below}
        width=${WIDE - 1} height=${high} />`;
    })}</g>`;
};

function Distribution({ days }) {
  const all = Object.fromEntries(REGIMES.map((regime) => [
    regime, days.reduce((sum, of) => sum + of[regime], 0)]));
  const text = `${days.length === 1 ? "The day" : `${days.length} days`} from ${
    day(days[0].day)}: ${shares(all)}.`;
  return html`<svg class="regimes" role="img" aria-label=${`Regimes by day. ${text}`}
      viewBox=${`0 0 ${Math.max(days.length, ROOM) * WIDE} ${HIGH}`} preserveAspectRatio="none">
      ${days.map((of, at) => html`<${Column} key=${of.day} of=${of} at=${at} />`)}</svg>
    <p class="note">${text} From below:${" "}
      ${REGIMES.map((regime) => html`<span key=${regime} class=${`key ${regime}`}>
        ${regime}</span>${" "}`)}</p>`;
}

export class Regimes extends Component {
  state = { rows: [], days: [], why: "" };

  componentDidMount() {
    this.load();
    onChange((changed) => {
      if (changed.has("equity")) this.soon();
    });
  }

  // A regime changes at an hourly close only.
  soon() {
    const hour = Math.floor((one("equity")?.time ?? 0) / HOUR);
    if (hour === this.hour || this.waiting) return;
    this.waiting = setTimeout(() => {
      this.waiting = null;
      this.hour = hour;
      this.load();
    }, PAUSE);
  }

  async load() {
    try {
      const [rows, days] = await Promise.all(
        [get("/api/v1/regimes"), get("/api/v1/regimes/days")]);
      this.setState({ rows, days: days.filter((of) => closes(of) > 0).slice(-DAYS), why: "" });
    } catch (error) {
      this.setState({ why: error.message });
    }
  }

  render(_, { rows, days, why }) {
    return html`<${Panel} id="regimes" title="Regimes">
      ${why && html`<p class="bad">${why}</p>`}
      ${days.length > 0 && html`<${Distribution} days=${days} />`}
      <${Table} rows=${rows} columns=${COLUMNS} label="Regimes" by="symbol"
        id=${(r) => `${r.composite} ${r.symbol}`} empty="No hourly bar yet." step=${20} />
    </${Panel}>`;
  }
}
