// Positions, lots, orders, fills and signals.
import { html } from "/page/html.js";
import { Live, one, rows, store } from "/page/store.js";
import { Choice, Panel, Table } from "/page/table.js";
import { Gain, money, quotient, Side, Time } from "/page/format.js";
import { explain } from "/page/explain.js";

const FINAL = ["filled", "cancelled", "rejected", "expired"];
const words = (status) => (status === "intent" ? "decided, not sent"
  : status.replace("_", " "));
const num = (id, name, of, cell) => ({ id, name, kind: "num", value: (r) => Number(of(r) ?? NaN),
  cell: cell ?? ((r) => of(r) ?? "–") });
const text = (id, name, of) => ({ id, name, value: of, cell: of });
const time = { id: "time", name: "time", value: (r) => r.time,
  cell: (r) => html`<${Time} ms=${r.time} long=${true} />` };
const side = { id: "side", name: "side", value: (r) => r.side,
  cell: (r) => html`<${Side} side=${r.side} />` };
const why = (id) => ({ id: "why", name: "why", value: () => 0, cell: (r) => html`
  <button type="button" aria-label=${`explain ${id(r)}`} onClick=${() => explain(id(r))}>why?
  </button>` });

const held = [
  text("symbol", "symbol", (r) => r.symbol),
  num("quantity", "held", (r) => r.quantity),
  num("average", "average", (r) => r.average_price,
    (r) => quotient(r.average_price)),
  num("unrealized", "unrealised", (r) => r.unrealized_pnl,
    (r) => html`<${Gain} value=${r.unrealized_pnl} />`),
  num("realized", "realised", (r) => r.realized_pnl,
    (r) => html`<${Gain} value=${r.realized_pnl} />`),
  text("standing", "symbol state", (r) => r.standing ?? "not listed"),
];

const ordered = [
  time,
  text("symbol", "symbol", (r) => r.symbol),
  side,
  num("quantity", "quantity", (r) => r.quantity),
  num("price", "price", (r) => r.price ?? r.stop_price,
    (r) => r.price ?? (r.stop_price ? `stop ${r.stop_price}` : "market")),
  { id: "status", name: "status", value: (r) => r.status, cell: (r) => html`
    <span class=${r.status === "unknown" ? "bad" : FINAL.includes(r.status) ? "" : "wait"}>
    ${words(r.status)}</span>` },
  num("filled", "filled", (r) => r.filled_quantity),
  num("average", "average price", (r) => r.average_price, (r) => quotient(r.average_price)),
  why((r) => r.client_order_id),
];

const filled = [
  time,
  text("symbol", "symbol", (r) => r.symbol),
  side,
  num("quantity", "quantity", (r) => r.quantity),
  num("price", "price", (r) => r.price),
  num("worth", "value", (r) => Number(r.price) * Number(r.quantity),
    (r) => money(Number(r.price) * Number(r.quantity))),
  num("fee", "fee", (r) => r.fee, (r) => `${r.fee} ${r.fee_asset}`),
  why((r) => `${r.symbol}:${r.trade_id}`),
];

const signals = [
  time,
  text("symbol", "symbol", (r) => r.symbol),
  side,
  text("strategy", "strategy", (r) => r.strategy),
  num("price", "price", (r) => r.price),
  { ...text("reason", "reason", (r) => r.reason), kind: "wide" },
  text("outcome", "outcome", (r) => (r.declined ? `declined: ${r.declined}` : r.outcome)),
  why((r) => r.client_order_id ?? r.key),
];

const lots = [
  text("symbol", "symbol", (r) => r.symbol),
  text("strategy", "strategy", (r) => r.strategy),
  num("quantity", "held", (r) => r.quantity),
  num("average", "average", (r) => r.average_price, (r) => quotient(r.average_price)),
  num("stop", "stop order", (r) => r.stop, (r) => r.stop ?? "none"),
  num("target", "target order", (r) => r.target, (r) => r.target ?? "none"),
  { id: "opened", name: "opened", value: (r) => r.opened ?? 0,
    cell: (r) => (r.opened === null ? "–" : html`<${Time} ms=${r.opened} long=${true} />`) },
];

export class Positions extends Live {
  static sections = ["positions", "lots", "status"];
  state = { flat: false };
  render(_, { flat }) {
    const list = [...rows("positions").values()];
    const aside = html`<label><input type="checkbox" checked=${flat}
      onChange=${(e) => this.setState({ flat: e.target.checked })} /> show flat</label>`;
    return html`<${Panel} id="positions" title="Positions" aside=${aside}>
      <${Table} label="Positions" rows=${list} columns=${held} id=${(r) => r.symbol} by="symbol"
        filter=${flat ? null : (r) => Number(r.quantity) !== 0} empty="No open positions." />
      <${Table} label="Lots" rows=${[...rows("lots").values()]} columns=${lots}
        id=${(r) => `${r.symbol} ${r.strategy}`} by="symbol" empty="No lots." />
    </${Panel}>`;
  }
}

const LISTS = {
  "open orders": ["orders", ordered, (r) => r.client_order_id, (r) => !FINAL.includes(r.status)],
  orders: ["orders", ordered, (r) => r.client_order_id],
  fills: ["fills", filled, (r) => `${r.symbol}:${r.trade_id}`],
  signals: ["signals", signals, (r) => `${r.key} ${r.symbol} ${r.strategy}`],
};

export class Orders extends Live {
  static sections = ["orders", "fills", "signals"];
  state = { list: "orders" };
  render(_, { list }) {
    const [name, columns, id, filter] = LISTS[list];
    const aside = html`<${Choice} label="List" options=${Object.keys(LISTS)}
      value=${list} onChoose=${(chosen) => this.setState({ list: chosen })} />`;
    return html`<${Panel} id="orders" title="Orders" aside=${aside}>
      <${Table} key=${list} label=${list} rows=${[...rows(name).values()]} columns=${columns}
        id=${id} by="time" down=${true} step=${15} filter=${filter}
        empty=${`No ${list}.`} />
    </${Panel}>`;
  }
}

// The streams, and the age of the newest bar of each symbol.
export class Feeds extends Live {
  static sections = ["symbols", "tree", "checks", "status", "switches", "clock"];

  sources(venue) {
    const tree = rows("tree");
    const off = Object.entries(one("switches")?.processes ?? {});
    const word = (path) => off.find(([of]) => path === of || path.startsWith(`${of}/`))?.[1];
    // Each venue and each source has a place of its own.
    const under = (parent, own) => [...tree.keys()]
      .find((path) => path.startsWith(`${parent}/`) && path.endsWith(`/${own}`)) ?? parent;
    const at = (path) => (word(path) ? `turned off by an operator: ${word(path).reason}`
      : tree.get(path)?.state ?? "not running");
    const trouble = rows("checks").get("venue");
    const state = trouble && !trouble.ok ? trouble.detail : "the venue responds";
    return [["market stream", `${at(under("root/trading/feeds", "feed"))}; ${state}`, venue],
      ["private stream", at(under("root/trading/gateways", "private")), null]];
  }

  render() {
    const list = [...rows("symbols").values()];
    const newest = list.reduce((most, r) => Math.max(most, r.newest_bar ?? 0), 0);
    const age = (ms, whole) => {
      const s = Math.max(0, Math.round(((whole ?? newest) - ms) / 1000));
      return `${s.toLocaleString("en")} s`;
    };
    const at = store.venueAt ?? newest;
    const columns = [
      text("symbol", "symbol", (r) => r.symbol),
      text("state", "state", (r) => r.state),
      { id: "age", name: "behind", kind: "num",
        value: (r) => newest - (r.newest_bar ?? 0),
        cell: (r) => (r.newest_bar ? age(r.newest_bar) : "no bar yet") },
      { id: "newest", name: "newest bar", value: (r) => r.newest_bar,
        cell: (r) => html`<${Time} ms=${r.newest_bar} />` },
      { ...text("why", "why", (r) => r.why), kind: "wide" },
    ];
    return html`<${Panel} id="feeds" title="Feeds" aside=${html`
        <span class="dim">${list.length} symbols</span>`}>
      <ul class="plain">${this.sources(newest).map(([name, state, time]) => html`<li key=${name}>
        <b>${name}</b> ${state}${time ? html`, newest bar <${Time} ms=${time} long=${true} />, ${
          age(time, at)} old in market time` : ""}</li>`)}</ul>
      <${Table} label="Feeds by symbol" rows=${list} columns=${columns} id=${(r) => r.symbol}
        by="age" down=${true} step=${10} tick=${newest} empty="No symbols." />
    </${Panel}>`;
  }
}
