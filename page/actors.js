// All actors in one table that sorts.
import { html } from "/page/html.js";
import { Live, now, rows } from "/page/store.js";
import { Panel, Table } from "/page/table.js";
import { Kill, State } from "/page/tree.js";
import { mayHarm } from "/page/config.js";
import { count, span } from "/page/format.js";

const short = (path) => path.replace(/^root\/(trading\/)?/, "");

const columns = (harm) => [
  { id: "path", name: "actor", value: (r) => r.path, cell: (r) => short(r.path) },
  { id: "state", name: "state", value: (r) => r.row.state, cell: (r) => html`
    <${State} row=${r.row} />` },
  { id: "age", name: "for", kind: "num", value: (r) => -(r.row.since_ms ?? 0),
    cell: (r) => (r.row.since_ms ? span(now() - r.row.since_ms) : "–") },
  { id: "restarts", name: "restarts", kind: "num", value: (r) => r.row.restarts,
    cell: (r) => r.row.restarts },
  { id: "injected", name: "injected", kind: "num", value: (r) => r.row.injected,
    cell: (r) => r.row.injected },
  { id: "mailbox", name: "mailbox", kind: "num", value: (r) => r.row.mailbox,
    cell: (r) => r.row.mailbox },
  { id: "why", name: "last failure", kind: "wide", value: (r) => r.row.last_failure,
    cell: (r) => r.row.last_failure ?? "" },
  ...(harm ? [{ id: "act", name: "inject", value: () => 0,
    cell: (r) => html`<${Kill} path=${r.path} how="kill" />` }] : []),
];

const SETS = { true: columns(true), false: columns(false) };

export class Actors extends Live {
  static sections = ["tree", "config", "second"];
  state = { text: "" };
  // Unchanged rows keep their identity.
  known = new Map();

  list() {
    const fresh = new Map();
    for (const [path, row] of rows("tree")) {
      if (row.kind !== "worker") continue;
      const before = this.known.get(path);
      fresh.set(path, before?.row === row ? before : { path, row });
    }
    this.known = fresh;
    return [...fresh.values()];
  }

  render(_, { text }) {
    const list = this.list();
    const aside = html`<input type="search" placeholder="filter" aria-label="Filter actors"
      value=${text} onInput=${(e) => this.setState({ text: e.target.value })} />
      <span class="dim">${count(list.length, "actor")}</span>`;
    const filter = text ? (r) => r.path.toLowerCase().includes(text.toLowerCase()) : null;
    return html`<${Panel} id="actors" title="Actors" aside=${aside}>
      <${Table} label="Actors" rows=${list} columns=${SETS[mayHarm()]} id=${(r) => r.path}
        by="restarts" down=${true} step=${15} filter=${filter} tick=${Math.floor(now() / 10000)}
        empty="No matching actor." />
    </${Panel}>`;
  }
}
