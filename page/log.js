// Recent events, newest first.
import { Component, html } from "/page/html.js";
import { Live, rows } from "/page/store.js";
import { Choice, Panel } from "/page/table.js";
import { Time } from "/page/format.js";
import { explain } from "/page/explain.js";

const SHOWN = 60;
const GROUPS = ["all", "orders", "signals", "risk", "ledger", "venue", "market", "operator",
  "actors"];
const WEIGHTS = { info: ["", ""], warn: ["▲", "warning"], bad: ["✕", "problem"] };

class Entry extends Component {
  shouldComponentUpdate(next) {
    return next.event !== this.props.event;
  }
  render({ event }) {
    const [sign, word] = WEIGHTS[event.weight] ?? ["", ""];
    return html`<li class=${`event ${event.weight}`}>
      <${Time} ms=${event.time} />
      <span class="tag">${event.group}</span>
      <span class="text">${word && html`<b class=${event.weight}><span aria-hidden="true">${sign}
        </span> ${word}</b> `}${event.text}</span>
      ${event.key && html`<button type="button" aria-label=${`explain ${event.key}`}
        onClick=${() => explain(event.key)}>why?</button>`}
    </li>`;
  }
}

export class Log extends Live {
  static sections = ["events"];
  state = { group: "all", text: "", shown: SHOWN, held: null };

  render(_, { group, text, shown, held }) {
    const all = held ?? [...rows("events").values()].sort((a, b) => b.id - a.id);
    const sought = text.toLowerCase();
    const found = all.filter((e) => (group === "all" || e.group === group)
      && (!sought || `${e.text} ${e.kind} ${e.symbol ?? ""}`.toLowerCase().includes(sought)));
    const aside = html`
      <input type="search" placeholder="filter" aria-label="Filter events" value=${text}
        onInput=${(e) => this.setState({ text: e.target.value })} />
      <button type="button" aria-pressed=${String(held !== null)}
        onClick=${() => this.setState({ held: held ? null : all })}>
        ${held ? "continue" : "pause"}</button>`;
    return html`<${Panel} id="log" title="Events" aside=${aside}>
      <${Choice} label="Group of events" options=${GROUPS} value=${group}
        onChoose=${(chosen) => this.setState({ group: chosen, shown: SHOWN })} />
      <p class="note">Times are market time; events of actors have the machine's time.</p>
      <ol class="events">${found.slice(0, shown).map((event) => html`
        <${Entry} key=${event.id} event=${event} />`)}</ol>
      ${found.length === 0 && html`<p class="empty">No matching events.</p>`}
      ${found.length > shown && html`<button type="button" class="more" onClick=${
        () => this.setState({ shown: shown + 100 })}>Show more of ${found.length}</button>`}
    </${Panel}>`;
  }
}
