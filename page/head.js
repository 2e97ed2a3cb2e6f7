// The head of the page: mode, readiness, breaker, account, and the age of the data.
import { Component, createRef, html } from "/page/html.js";
import { say, signIn } from "/page/api.js";
import { Live, now, status, store, touch } from "/page/store.js";
import { clock, local, money, span, Time } from "/page/format.js";
import { setting } from "/page/api.js";

// The word and the colour both show the mode.
export function mode() {
  const { environment } = status();
  if (environment === "live") return ["LIVE", "live", "real money"];
  if (environment) return [environment.toUpperCase(), "test", "play money at a real venue"];
  return ["SIMULATED", "sim", "a simulated exchange"];
}

const LEVELS = {
  normal: ["✓", "normal"], reduced: ["◒", "reduced: smaller entries"],
  "exits-only": ["▲", "exits only: no entries"], halted: ["■", "halted: no orders"],
};

export function Connection() {
  const { connection, at } = store;
  if (connection === "connected") {
    return html`<span class="link good"><span aria-hidden="true">●</span> connected</span>`;
  }
  if (!at) return html`<span class="link wait"><span aria-hidden="true">◌</span> connecting</span>`;
  return html`<span class="link bad" title=${local(at)}><span aria-hidden="true">✕</span>
    ${` disconnected, data from ${clock(at)}`}</span>`;
}

export class Head extends Live {
  static sections = ["status", "connection", "clock", "session", "config"];

  render() {
    const s = status();
    const [word, kind, about] = mode();
    const [sign, level] = LEVELS[s.breaker] ?? ["?", "unknown"];
    const was = store.connection === "disconnected" ? "was " : "";
    const uptime = store.uptime + (now() - store.at);
    return html`<header class="top">
      <h1><img src="/page/icon.svg" alt="" width="24" height="24" /> everwarm</h1>
      <span class=${`mode ${kind}`} title=${about}>${word}</span>
      <span class=${`ready ${s.ready ? "good" : "bad"}`}>
        <span aria-hidden="true">${s.ready ? "✓" : "✕"}</span> ${was}${
          s.ready ? "ready" : "not ready"}
      </span>
      <${Connection} />
      <dl class="vitals">
        <div><dt>breaker</dt><dd class=${s.breaker === "normal" ? "" : "bad"}>
          <span aria-hidden="true">${sign}</span> ${level}</dd></div>
        <div><dt>equity</dt><dd>${money(s.equity)}</dd></div>
        <div><dt>cash</dt><dd>${money(s.cash)}</dd></div>
        <div><dt>newest close</dt><dd><${Time} ms=${s.close_time} long=${true} /></dd></div>
        <div><dt>up</dt><dd>${span(uptime)}, run ${s.life ?? "–"}</dd></div>
        <div><dt>pace</dt><dd>${s.pace ?? "real"}</dd></div>
      </dl>
      <${Session} />
    </header>`;
  }
}

class Session extends Component {
  render() {
    if (store.signedIn) {
      return html`<span class="session"><span aria-hidden="true">✓</span> signed in</span>`;
    }
    return html`<button type="button" class="session"
      onClick=${() => { store.asking = () => {}; touch("session"); }}>Sign in to change</button>`;
  }
}

// Warnings above all other parts.
export class Banners extends Live {
  static sections = ["status", "connection", "clock"];
  render() {
    const s = status();
    const told = [];
    if (store.connection === "disconnected" && store.at) {
      told.push(["stale", `Disconnected. All data below is from ${clock(store.at)} UTC.`
        + " The page reconnects automatically."]);
    }
    if (s.state === "refused") {
      told.push(["bad", "Trading is refused: the account differs from the books. See Risk below."]);
    }
    if (s.breaker && s.breaker !== "normal") {
      const reasons = (s.breaker_reasons ?? []).join("; ");
      told.push(["bad", `Breaker: ${LEVELS[s.breaker]?.[1]}.${reasons ? ` ${reasons}` : ""}`]);
    }
    for (const problem of s.problems ?? []) told.push(["warn", problem]);
    return html`<div class="banners" role="status" aria-live="polite">${told.map(([kind, text]) =>
      html`<p key=${text} class=${`banner ${kind}`}>${text}</p>`)}</div>`;
  }
}

// Requests the token, sends it to the daemon once, and does not keep it.
export class SignIn extends Live {
  static sections = ["session"];
  dialog = createRef();
  field = createRef();
  state = { why: "" };

  componentDidUpdate() {
    const dialog = this.dialog.current;
    if (store.asking && !dialog.open) {
      dialog.showModal();
      this.field.current.focus();
    } else if (!store.asking && dialog.open) {
      dialog.close();
    }
  }

  async submit(event) {
    event.preventDefault();
    try {
      await signIn(this.field.current.value);
      this.field.current.value = "";
      this.setState({ why: "" });
      say("Signed in. The page may change things until the daemon stops.");
    } catch (error) {
      this.setState({ why: error.message });
    }
  }

  render(_, { why }) {
    const folder = status().data_dir ?? "its data folder";
    const where = setting("daemon.token") ? "the configured token" : `${folder}/api.token`;
    const leave = () => { store.asking = null; touch("session"); };
    return html`<dialog ref=${this.dialog} aria-labelledby="sign-in" onClose=${leave}>
      <form onSubmit=${(e) => this.submit(e)}>
        <h2 id="sign-in">Sign in to change things</h2>
        <p>Reading needs no token. A change needs the token: ${html`<code>${where}</code>`}.
          The daemon replaces it by a cookie that no script can read.</p>
        <label>Token <input ref=${this.field} type="password" autocomplete="off" required /></label>
        ${why && html`<p class="banner bad" role="alert">${why}</p>`}
        <p class="acts"><button type="submit" class="main">Sign in</button>
          <button type="button" onClick=${leave}>Cancel</button></p>
      </form></dialog>`;
  }
}

// The result of the last change.
export class Said extends Live {
  static sections = ["said", "second"];
  render() {
    const said = store.said && Date.now() < store.said.until ? store.said : null;
    return html`<div class=${`said ${said?.bad ? "bad" : ""}`} role="status" aria-live="polite">${
      said ? `${said.bad ? "✕" : "✓"} ${said.text}` : ""}</div>`;
  }
}
