// The reload of the configuration: first a preview, then the change.
import { html } from "/page/html.js";
import { change, configuration } from "/page/api.js";
import { Live, one } from "/page/store.js";
import { Time } from "/page/format.js";

const RESULTS = {
  applied: "applied", unchanged: "no change in the sources",
  invalid: "the sources have errors; the earlier configuration stays in force",
  rejected: "refused; the earlier configuration stays in force", rolled_back: "rolled back",
  rollback_failed: "the rollback was refused; the configuration is unchanged",
  possible: "can be applied",
};

// The heads of the two values: of an applied change, or of a preview.
const DONE = ["before", "now in force"];
const HEADS = { applied: DONE, rolled_back: DONE };
const heads = (result) => HEADS[result] ?? ["running", "in the sources"];

const side = (set) => (set ? html`<code>${JSON.stringify(set.value)}</code>
  <span class="dim"> ${set.origin}</span>` : html`<span class="dim">no such key</span>`);

// Every change with both values and their origins, and the reasons of a refusal.
const Outcome = ({ view }) => html`
  <p>${RESULTS[view.result] ?? view.result} (<${Time} ms=${view.time} long=${true} />,
    trigger ${view.trigger}, generation ${view.generation}).</p>
  ${view.reasons.map((reason) => html`<p key=${reason} class="banner bad">${reason}</p>`)}
  ${view.restart.length > 0 && html`<p class="banner warn">
    These keys need a restart: ${view.restart.join(", ")}.</p>`}
  ${view.changes.length > 0 && html`<div class="scroll" tabindex="0" role="region"
    aria-label="Changes"><table class="diff"><thead><tr><th scope="col">key</th>
    ${heads(view.result).map((head) => html`<th scope="col" key=${head}>${head}</th>`)}</tr></thead>
    <tbody>${view.changes.map((row) => html`<tr key=${row.key}><td><code>${row.key}</code></td>
      <td>${side(row.running)}</td><td>${side(row.now)}</td></tr>`)}</tbody></table></div>`}`;

export class Reload extends Live {
  static sections = ["reloads"];
  state = { tried: null };

  async ask(path, word) {
    const told = (view) => `${word}: ${RESULTS[view.result] ?? view.result}`;
    const view = await change(path, {}, told);
    if (view) this.setState({ tried: view.result === "possible" ? view : null });
    await configuration().catch(() => {});
  }

  render(_, { tried }) {
    const reloads = one("reloads");
    if (!reloads) return null;
    const button = (name, path) => html`<button type="button"
      onClick=${() => this.ask(path, name)}>${name}</button>`;
    return html`<div class="reload"><p class="acts">
        ${button("preview", "/api/v1/config/reload?dry_run=1")}
        ${button("reload", "/api/v1/config/reload")}
        ${button("roll back", "/api/v1/config/rollback")}</p>
      ${reloads.restart_pending.length > 0 && html`<p class="banner warn">
        These keys need a restart: ${reloads.restart_pending.join(", ")}.</p>`}
      ${tried ? html`<h3>Preview</h3><${Outcome} view=${tried} />`
        : reloads.last && html`<h3>Last reload</h3><${Outcome} view=${reloads.last} />`}
    </div>`;
  }
}
