// The supervision tree: states, restarts and the last failure of each actor.
import { Component, html } from "/page/html.js";
import { change } from "/page/api.js";
import { flashing, Live, now, rows } from "/page/store.js";
import { Choice, Panel } from "/page/table.js";
import { count, span } from "/page/format.js";
import { mayHarm } from "/page/config.js";

const MANY = 12; // A larger group is closed until somebody opens it,
const SHOWN = 40; // and then shows so many at first.

const STATES = {
  running: ["●", "running", "good"],
  starting: ["◌", "starting", "wait"],
  backoff: ["↻", "waiting to restart", "wait"],
  stopping: ["◍", "stopping", "wait"],
  stopped: ["■", "stopped", "bad"],
  down: ["▼", "stopped by its supervisor", "bad"],
};

export function State({ row }) {
  const [sign, word, kind] = STATES[row.state] ?? ["?", row.state, "wait"];
  const more = [row.down && row.state !== "down" && "retrying", row.blocked && "blocks its thread"];
  return html`<span class=${`state ${row.blocked ? "bad" : kind}`}>
    <span aria-hidden="true">${sign}</span> ${[word, ...more].filter(Boolean).join(", ")}</span>`;
}

const kill = (path, how) => change("/api/v1/kill", { path, how }, (view) => (
  `${view.path}: ${how} requested`));

export const Kill = ({ path, how }) => html`<button type="button" class="kill"
  aria-label=${`${how} ${path}`} onClick=${() => kill(path, how)}>${how}</button>`;

const retry = (path) =>
  change("/api/v1/retry", { path }, (view) => `${view.path}: retry requested`);

class Line extends Component {
  shouldComponentUpdate(next) {
    const shown = ["row", "hot", "age", "how", "open", "told"];
    return shown.some((name) => next[name] !== this.props[name]);
  }
  render({ path, row, hot, age, how, open, toggle, told, depth }) {
    const name = row.name;
    return html`<div class=${`line ${hot ? "hot" : ""} d${Math.min(depth, 4)}`} data-path=${path}>
      <span class="name">${open === null ? html`<span class="leaf" aria-hidden="true">·</span>`
        : html`<button type="button" class="toggle" aria-expanded=${String(open)}
            aria-label=${`${open ? "close" : "open"} ${name}`} onClick=${toggle}>
            ${open ? "▾" : "▸"}</button>`}<span>${name}</span></span>
      <${State} row=${row} />
      <span class="came">${hot && html`<b><span aria-hidden="true">↻</span> restarted</b>`}</span>
      <span class="facts">
        ${row.restarts > 0 && html`<span>${count(row.restarts, "restart")}${
          row.injected > 0 ? `, ${row.injected} injected` : ""}</span>`}
        ${row.mailbox > 0 && html`<span>${row.mailbox} waiting</span>`}
        <span class="dim">${age}</span>
        ${told && html`<span class="dim">${told}</span>`}
        ${row.planned && html`<span class="why">${row.planned} (injected)</span>`}
        ${row.last_failure && html`<span class="why" title=${row.last_failure}>last failure: ${
          row.last_failure}</span>`}
      </span>
      <span class="acts">
        ${row.down && html`<button type="button" onClick=${() => retry(path)}>retry now</button>`}
        ${how && row.kind === "worker" && html`<${Kill} path=${path} how=${how} />`}
      </span>
    </div>`;
  }
}

const under = (tree) => {
  const children = new Map();
  for (const [path, row] of tree) {
    const cut = path.lastIndexOf("/");
    const parent = cut < 0 ? "" : path.slice(0, cut);
    if (!children.has(parent)) children.set(parent, []);
    children.get(parent).push([path, row]);
  }
  for (const list of children.values()) list.sort((a, b) => a[1].place - b[1].place);
  return children;
};

// The line of a collapsed group.
function summary(list) {
  let up = 0, restarts = 0;
  for (const [, row] of list) {
    up += row.state === "running" ? 1 : 0;
    restarts += row.restarts;
  }
  const back = restarts > 0 ? `, ${count(restarts, "restart")}` : "";
  return `${up} of ${list.length} running${back}`;
}

export class Tree extends Live {
  static sections = ["tree", "second", "config"];
  state = { open: {}, more: {}, how: "kill" };

  set(kind, path, value) {
    this.setState({ [kind]: { ...this.state[kind], [path]: value } });
  }

  branch(children, path, row, depth) {
    const below = children.get(path) ?? [];
    const open = below.length === 0 ? null : this.state.open[path] ?? below.length <= MANY;
    const hidden = open === false;
    const hot = flashing(path) || (hidden && below.some(([child]) => flashing(child)));
    const how = mayHarm() ? this.state.how : null;
    const line = html`<${Line} path=${path} row=${row} hot=${hot} how=${how} depth=${depth}
      age=${row.since_ms ? `for ${span(now() - row.since_ms)}` : ""} open=${open}
      told=${hidden ? summary(below) : ""} toggle=${() => this.set("open", path, !open)} />`;
    if (!open) return html`<li key=${path}>${line}</li>`;
    const shown = below.length > MANY ? this.state.more[path] ?? SHOWN : below.length;
    const rest = below.length - shown;
    return html`<li key=${path}>${line}<ul>
      ${below.slice(0, shown).map(([p, r]) => this.branch(children, p, r, depth + 1))}
      ${rest > 0 && html`<li key="more"><button type="button" class="more" onClick=${
        () => this.set("more", path, shown + 100)}>Show ${Math.min(rest, 100)} more</button></li>`}
    </ul></li>`;
  }

  render(_, { how }) {
    const tree = rows("tree");
    const root = tree.get("root");
    const aside = mayHarm() && html`<${Choice} label="Injected fault" value=${how}
      options=${["kill", "panic", "stop", "stall"]}
      onChoose=${(chosen) => this.setState({ how: chosen })} />`;
    return html`<${Panel} id="tree" title="Supervision" aside=${aside}>
      ${root ? html`<ul class="tree">${this.branch(under(tree), "root", root, 0)}</ul>`
        : html`<p class="empty">No data yet.</p>`}
    </${Panel}>`;
  }
}
