// The operator's switches: halt, resume, flatten. Each needs a reason.
import { html } from "/page/html.js";
import { change } from "/page/api.js";
import { Live, one } from "/page/store.js";
import { Panel } from "/page/table.js";
import { Time } from "/page/format.js";

const WORDS = {
  halt: "no entries until an operator resumes; exits continue",
  resume: "ends a halt or a flatten",
  flatten: "no entries, and every position is sold at market",
};

const stands = (switches) => [
  ["halted", switches.halted], ["flattened", switches.flatten],
  switches.safe && [`careful start, step ${switches.safe[0]}`, switches.safe[1]],
  ...Object.entries(switches.strategies ?? {}).map(([name, said]) => [`${name} is off`, said]),
  ...Object.entries(switches.processes ?? {}).map(([path, said]) => [`${path} is off`, said]),
  ...(switches.configured_off ?? []).map((name) => [
    `${name} is off: strategy.${name}.enabled = false`, {}]),
].filter((row) => row?.[1]);

export class Controls extends Live {
  static sections = ["switches", "status"];
  state = { word: null, typed: "", reason: "" };

  async say(event) {
    event.preventDefault();
    const { word, typed, reason } = this.state;
    if (typed.trim() !== word || !reason.trim()) return;
    await change(`/api/v1/trading/${word}`, { reason: reason.trim() }, (view) => view.text);
    this.setState({ word: null, typed: "", reason: "" });
  }

  form({ word, typed, reason }) {
    const sure = typed.trim() === word && reason.trim();
    return html`<form class="sure" onSubmit=${(e) => this.say(e)}>
      <p><b>${word}</b>: ${WORDS[word]}.</p>
      <label>Reason (stored in the journal) <input value=${reason} required
        onInput=${(e) => this.setState({ reason: e.target.value })} /></label>
      <label>Type the word ${word} <input value=${typed} autocomplete="off" required
        onInput=${(e) => this.setState({ typed: e.target.value })} /></label>
      <p class="acts"><button type="submit" class="main" disabled=${!sure}>${word}</button>
        <button type="button" onClick=${() => this.setState({ word: null })}>Cancel</button></p>
    </form>`;
  }

  render(_, state) {
    const switches = one("switches");
    if (!switches) return null;
    const choose = (word) => this.setState({ word, typed: "", reason: "" });
    const told = stands(switches);
    return html`<${Panel} id="controls" title="Controls" aside=${Object.keys(WORDS).map((word) =>
      html`<button type="button" key=${word} aria-pressed=${String(state.word === word)}
        onClick=${() => choose(word)}>${word}…</button>`)}>
      <p>Operators allow: <b class=${switches.allows === "normal" ? "good" : "bad"}>
        ${switches.allows}</b></p>
      <ul class="plain">${told.map(([what, said]) => html`<li key=${what}>${what}${
        said.since && html` since <${Time} ms=${said.since} long=${true} />: ${said.reason}`
      }</li>`)}</ul>
      ${state.word && this.form(state)}
    </${Panel}>`;
  }
}
