// The configuration the daemon runs with, and where each value was set.
import { html } from "/page/html.js";
import { configuration, setting } from "/page/api.js";
import { Live, onChange, status, store } from "/page/store.js";
import { Reload } from "/page/reload.js";
import { Panel, Table } from "/page/table.js";

// Whether fault injection is allowed: chaos.enabled, and at a real venue chaos.on_live too.
export function mayHarm() {
  const real = setting("venue.kind") === "binance";
  return setting("chaos.enabled") === true && (!real || setting("chaos.on_live") === true);
}

const text = (value) => (typeof value === "string" ? value : JSON.stringify(value));
const same = (row) => text(row.value) === text(row.default);

const columns = [
  { id: "key", name: "key", value: (r) => r.key, cell: (r) => html`<code>${r.key}</code>` },
  { id: "value", name: "value", value: (r) => text(r.value), cell: (r) => html`
    <code class=${same(r) ? "dim" : ""}>${text(r.value) || "(empty)"}</code>` },
  { id: "default", name: "default", kind: "wide", value: (r) => text(r.default),
    cell: (r) => html`<code class="dim">${text(r.default) || "(empty)"}</code>` },
  { id: "origin", name: "set at", value: (r) => r.origin, cell: (r) => r.origin },
];

let generation = null;

// Requests the values of a new generation.
export function follow() {
  onChange((changed) => {
    if (!changed.has("status")) return;
    const told = status().config_generation;
    if (told === undefined || told === generation) return;
    generation = told;
    configuration().catch(() => { generation = null; });
  });
}

export class Configuration extends Live {
  static sections = ["config"];
  state = { text: "", all: false };

  render(_, { text: sought, all }) {
    const filter = (row) => (all || row.origin !== "default")
      && (row.key + text(row.value) + row.origin).toLowerCase().includes(sought.toLowerCase());
    const set = store.config.filter((row) => row.origin !== "default").length;
    const aside = html`
      <input type="search" placeholder="filter" aria-label="Filter keys" value=${sought}
        onInput=${(e) => this.setState({ text: e.target.value })} />
      <label><input type="checkbox" checked=${all}
        onChange=${(e) => this.setState({ all: e.target.checked })} /> show defaults</label>`;
    return html`<${Panel} id="config" title="Configuration" aside=${aside}>
      <p class="note">${`Generation ${status().config_generation ?? "–"}. ${set} of ${
        store.config.length} values differ from the source "default".`}</p>
      <${Reload} />
      <${Table} label="Configuration" rows=${store.config} columns=${columns}
        id=${(r) => r.key} by="key" filter=${filter} tick=${sought}
        empty=${sought ? "No matching key or value." : "Every value is the default."} />
    </${Panel}>`;
  }
}
