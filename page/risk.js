// Whether the daemon may trade: breaker, account, readiness, quarantine.
import { Component, html } from "/page/html.js";
import { get } from "/page/api.js";
import { Live, rows, status } from "/page/store.js";
import { Panel } from "/page/table.js";
import { Time } from "/page/format.js";

const STATES = {
  starting: "not yet compared with the books in this run",
  trading: "the account agrees with the books",
  refused: "the account differs from the books; run everwarm reconcile",
};

const dispute = (conflict) => `${conflict.about}: books ${conflict.ours}, venue ${
  conflict.theirs}`;

// Both sides of the account, requested on a click.
class Sides extends Component {
  state = { view: null, why: "" };

  async look() {
    try {
      this.setState({ view: await get("/api/v1/reconcile"), why: "" });
    } catch (error) {
      this.setState({ why: error.message });
    }
  }

  render(_, { view, why }) {
    const button = html`<button type="button" onClick=${() => this.look()}>
      ${view ? "Refresh" : "Compare with the venue"}</button>`;
    if (!view) return html`<p>${button} ${why}</p>`;
    return html`<p>${button} as of <${Time} ms=${view.time} long=${true} /></p>
      <div class="scroll" tabindex="0" role="region" aria-label="Balances"><table>
        <thead><tr><th scope="col">asset</th><th scope="col" class="num">books</th>
          <th scope="col" class="num">external</th><th scope="col" class="num">venue</th>
          <th scope="col" class="num">difference</th></tr></thead>
        <tbody>${view.balances.map((b) => html`<tr key=${b.asset}>
          <td>${b.asset}</td><td class="num">${b.ours}</td><td class="num">${b.foreign}</td>
          <td class="num">${b.theirs}</td>
          <td class=${`num ${Number(b.difference) === 0 ? "" : "bad"}`}>${b.difference}</td>
        </tr>`)}</tbody></table></div>
      ${view.conflicts.map((c) => html`<p key=${c.id} class="banner bad">Conflict ${c.id}. ${
        dispute(c)}. <code>${`everwarm resolve ${c.id} --accept venue|ours --reason TEXT`}</code>
      </p>`)}`;
  }
}

export class Risk extends Live {
  static sections = ["status", "checks", "quarantine"];
  render() {
    const s = status();
    const reasons = s.breaker_reasons ?? [];
    const foreign = (s.foreign ?? []).map(([asset, n]) => `${n} ${asset}`).join(", ");
    const numbers = [["open orders", s.open_orders], ["status unknown", s.unknown_orders],
      ["open positions", s.positions], ["fills", s.fills], ["restarts", s.restarts]];
    return html`<${Panel} id="risk" title="Risk and account">
      <h3>Breaker: <span class=${s.breaker === "normal" ? "good" : "bad"}>${s.breaker ?? "–"}</span>
      </h3>
      ${reasons.length === 0 ? html`<p class="dim">Trading is allowed.</p>`
        : html`<ul class="plain">${reasons.map((r) => html`<li key=${r}>${r}</li>`)}</ul>`}
      ${(s.entry_limits ?? []).map((text) => html`<p key=${text}>${text}</p>`)}
      <h3>Account: <span class=${s.state === "trading" ? "good" : "bad"}>${s.state ?? "–"}</span>
      </h3>
      <p>${STATES[s.state] ?? ""}.${foreign ? ` External, never traded: ${foreign}.` : ""}
        ${s.foreign_orders > 0 ? ` ${s.foreign_orders} open orders are external.` : ""}</p>
      <${Sides} />
      ${(s.owed ?? []).map((o) => html`
        <p key=${o.symbol + o.strategy} class=${`banner ${o.state === "refused" ? "bad" : ""}`}>
          Owed exit: ${o.held} ${o.symbol} of ${o.strategy}, ${o.reason ?? "requested"}, since
          <${Time} ms=${o.since} long=${true} /></p>`)}
      ${(s.conflicts ?? []).map((c) => html`
        <p key=${c.about} class="banner bad">${dispute(c)}</p>`)}
      <h3>Readiness</h3>
      <ul class="plain checks">${[...rows("checks").values()].map((check) => html`
        <li key=${check.name}><span class=${check.ok ? "good" : "bad"}>
          <span aria-hidden="true">${check.ok ? "✓" : "✕"}</span> ${check.name} ${
          check.ok ? "ok" : "failed"}</span> <span class="dim">${check.detail}</span>
        </li>`)}</ul>
      ${rows("quarantine").size > 0 && html`<h3>Quarantined inputs</h3><ul class="plain">
        ${[...rows("quarantine").values()].map((q) => html`<li key=${q.id}>${q.id}: ${q.text}
        </li>`)}</ul>`}
      <dl class="vitals">${numbers.map(([name, n]) => html`<div key=${name}><dt>${name}</dt>
        <dd class=${name === "status unknown" && n > 0 ? "bad" : ""}>${n ?? "–"}</dd></div>`)}</dl>
    </${Panel}>`;
  }
}
