// Trading by hand: an order, a close or a cancel. Each needs a reason and its word typed.
import { html } from "/page/html.js";
import { change } from "/page/api.js";
import { Live } from "/page/store.js";
import { Choice, Panel } from "/page/table.js";

// The members of each request, with their labels.
const ACTIONS = {
  buy: { symbol: "Symbol", quantity: "Quantity (or leave empty)", quote: "Quote amount",
    limit: "Limit price (empty: at market)", minutes: "Minutes of a limit order (empty: no end)" },
  sell: { symbol: "Symbol", quantity: "Quantity (or leave empty)", quote: "Quote amount",
    limit: "Limit price (empty: at market)", stop: "Stop price (or leave empty)" },
  close: { symbol: "Symbol", strategy: "Strategy (empty: all lots of the symbol)" },
  cancel: { order: "Order id" },
};
const ABOUT = {
  buy: "a market or limit order; the lot belongs to the strategy manual",
  sell: "sells the lot of the strategy manual, or a part of it, at market. A limit or a stop sells "
    + "the whole lot: leave the amounts empty",
  close: "sells the lots of the symbol at market",
  cancel: "cancels an open order; an exit that requested it ends",
};

// A new id for each request. The daemon acts once for each id.
const fresh = () => `page-${Date.now().toString(36)}-${
  crypto.getRandomValues(new Uint32Array(1))[0].toString(36)}`;
const closed = { action: null, fields: {}, reason: "", typed: "", id: null };

export class ByHand extends Live {
  static sections = [];
  state = closed;

  body({ action, fields, reason }) {
    const value = (name) => fields[name]?.trim()
      && (name === "minutes" ? Number(fields[name]) : fields[name].trim());
    const members = Object.keys(ACTIONS[action]).map((name) => [name, value(name)]);
    return { action, reason: reason.trim(), ...Object.fromEntries(members.filter((m) => m[1])) };
  }

  async send(event) {
    event.preventDefault();
    const { action, id, typed, reason } = this.state;
    if (typed.trim() !== action || !reason.trim()) return;
    const printed = (view) => view.lines.join("; ");
    const done = await change(`/api/v1/by-hand/${id}`, this.body(this.state), printed, "PUT");
    if (done) this.setState(closed);
  }

  form({ action, fields, reason, typed }) {
    const sure = typed.trim() === action && reason.trim();
    const set = (name, value) => this.setState({ fields: { ...this.state.fields, [name]: value } });
    return html`<form class="sure" onSubmit=${(e) => this.send(e)}>
      <p><b>${action}</b>: ${ABOUT[action]}.</p>
      ${Object.entries(ACTIONS[action]).map(([name, label]) => html`<label key=${name}>${label}
        <input name=${name} value=${fields[name] ?? ""} autocomplete="off"
          required=${name === "symbol" || name === "order"}
          onInput=${(e) => set(name, e.target.value)} /></label>`)}
      <label>Reason (stored in the journal) <input name="reason" value=${reason} required
        onInput=${(e) => this.setState({ reason: e.target.value })} /></label>
      <label>Type the word ${action} <input name="word" value=${typed} autocomplete="off" required
        onInput=${(e) => this.setState({ typed: e.target.value })} /></label>
      <p class="acts"><button type="submit" class="main" disabled=${!sure}>${action}</button>
        <button type="button" onClick=${() => this.setState(closed)}>Back</button></p>
    </form>`;
  }

  render(_, state) {
    const choose = (action) => this.setState({ ...closed, action, id: fresh() });
    const aside = html`<${Choice} label="Trade by hand" options=${Object.keys(ACTIONS)}
      value=${state.action} onChoose=${choose} />`;
    return html`<${Panel} id="by-hand" title="Trade by hand" aside=${aside}>
      ${state.action ? this.form(state) : html`<p class="note">The daemon checks these requests
        like the signals of a strategy.</p>`}
    </${Panel}>`;
  }
}
