// The configuration read again while it trades: first what would change, then the change.
import { html } from "/page/html.js";
import { change, configuration } from "/page/api.js";
import { Live, one } from "/page/store.js";
import { Time } from "/page/format.js";

const RESULTS = {
  applied: "it is in force", unchanged: "the sources say what they said",
  invalid: "something is wrong with the sources; nothing of it is in force",
  rejected: "it was refused; nothing of it is in force", rolled_back: "what was before is again",
  rollback_failed: "what was before could not be put in force", possible: "it could be applied",
};

// What the two values of a change are: of one that is done, or of one that would be.
const DONE = ["before", "now in force"];
const HEADS = { applied: DONE, rolled_back: DONE };
const heads = (result) => HEADS[result] ?? ["runs with", "sources say"];

const side = (set) => (set ? html`<code>${JSON.stringify(set.value)}</code>
  <span class="dim"> ${set.origin}</span>` : html`<span class="dim">no such key</span>`);

// Every change with both values and where each was set, and whatever is in its way.
const Outcome = ({ view }) => html`
  <p>${RESULTS[view.result] ?? view.result} (<${Time} ms=${view.time} long=${true} />,
    by ${view.trigger}, generation ${view.generation}).</p>
  ${view.reasons.map((reason) => html`<p key=${reason} class="banner bad">${reason}</p>`)}
  ${view.restart.length > 0 && html`<p class="banner warn">
    These take a restart: ${view.restart.join(", ")}.</p>`}
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
        ${button("what would change", "/api/v1/config/reload?dry_run=1")}
        ${button("reload", "/api/v1/config/reload")}
        ${button("roll back", "/api/v1/config/rollback")}</p>
      ${reloads.restart_pending.length > 0 && html`<p class="banner warn">
        A restart is needed for: ${reloads.restart_pending.join(", ")}.</p>`}
      ${tried ? html`<h3>What would change</h3><${Outcome} view=${tried} />`
        : reloads.last && html`<h3>The last reload</h3><${Outcome} view=${reloads.last} />`}
    </div>`;
  }
}
