// The causes and effects of a fact, drawn as a graph.
import { Component, createRef, html } from "/page/html.js";
import { get } from "/page/api.js";
import { Panel } from "/page/table.js";
import { Time } from "/page/format.js";

const LANE = 11; // Between two lanes of lines, px.
const LANES = 7;

let shown = null;

// Shows the story of an id.
export function explain(id) {
  shown?.ask(id);
  const reduced = matchMedia("(prefers-reduced-motion: reduce)").matches;
  document.getElementById("explain")
    ?.scrollIntoView({ behavior: reduced ? "auto" : "smooth", block: "start" });
}

// Lines from causes to effects: each in the first lane that is free over its whole way, or
// in that of another effect of the same cause.
function edges(steps) {
  const at = new Map(steps.map((step, i) => [step.key, i]));
  const found = [];
  steps.forEach((step, to) => {
    const causes = step.because.map((key) => at.get(key)).filter((i) => i !== undefined && i < to);
    const input = at.get(step.key.split(".")[0]);
    if (causes.length === 0 && input !== undefined && input < to) causes.push(input);
    for (const from of new Set(causes)) found.push({ from, to });
  });
  const busy = Array.from({ length: LANES }, () => []);
  found.sort((a, b) => (a.to - a.from) - (b.to - b.from));
  for (const edge of found) {
    const free = busy.findIndex((taken) => taken.every(
      (other) => other.to <= edge.from || other.from >= edge.to || other.from === edge.from));
    edge.lane = free < 0 ? LANES - 1 : free;
    busy[edge.lane].push(edge);
  }
  return found;
}

export class Explain extends Component {
  list = createRef();
  state = { id: "", story: null, why: "", focus: null, heights: [] };

  componentDidMount() {
    shown = this;
    new ResizeObserver(() => this.measure()).observe(this.list.current);
  }

  async ask(id) {
    this.setState({ id, why: "", story: null, heights: [], focus: null });
    try {
      const story = await get(`/api/v1/explain/${encodeURIComponent(id)}`);
      this.setState({ story }, () => this.measure());
    } catch (error) {
      this.setState({ why: error.message });
    }
  }

  // Where each fact stands, for the lines beside them.
  measure() {
    const nodes = [...this.list.current.querySelectorAll(".fact")];
    const heights = nodes.map((node) => node.offsetTop + 14);
    if (heights.join() !== this.state.heights.join()) this.setState({ heights });
  }

  lines(found) {
    const { heights, focus } = this.state;
    const wide = LANES * LANE + 14;
    if (heights.length === 0) return null;
    return html`<svg class="lines" width=${wide} height=${heights.at(-1) + 20} aria-hidden="true">
      ${found.map(({ from, to, lane }) => {
        const [y1, y2] = [heights[from], heights[to]];
        const x = wide - 8 - (lane + 1) * LANE;
        const near = focus === from || focus === to;
        const r = Math.min(8, (y2 - y1) / 2);
        const path = `M${wide - 8} ${y1} H${x + r} Q${x} ${y1} ${x} ${y1 + r} V${y2 - r} `
          + `Q${x} ${y2} ${x + r} ${y2} H${wide - 8}`;
        const tip = `M${wide - 13} ${y2 - 4} L${wide - 7} ${y2} L${wide - 13} ${y2 + 4}`;
        return html`<g key=${`${from}-${to}`} class=${near ? "near" : ""}>
          <path d=${path} /><path class="tip" d=${tip} /></g>`;
      })}
      ${heights.map((y, i) => html`<circle key=${i} cx=${wide - 7} cy=${y} r="4"
        class=${focus === i ? "near" : ""} />`)}
    </svg>`;
  }

  render(_, { id, story, why, focus }) {
    const steps = story?.steps ?? [];
    const at = new Map(steps.map((step, i) => [step.key, i + 1]));
    const found = edges(steps);
    const causes = (i) => found.filter((edge) => edge.to === i).map((edge) => edge.from + 1);
    const submit = (event) => {
      event.preventDefault();
      const wanted = new FormData(event.target).get("id").trim();
      if (wanted) this.ask(wanted);
    };
    const aside = html`<form onSubmit=${submit}><input type="search" name="id" value=${id}
      placeholder="order id, SYMBOL:TRADE or key" aria-label="What to explain" size="26" />
      <button type="submit">explain</button></form>`;
    return html`<${Panel} id="explain" title="Why" aside=${aside}>
      ${why && html`<p class="banner warn" role="alert">${why}</p>`}
      ${!story && !why && html`<p class="empty">
        ${id ? "Reading the journal." : "Click “why?” beside an order, a fill or an event."}</p>`}
      ${story && html`<p><b>${story.title}</b></p>`}
      <div class="graph">${story && this.lines(found)}
        <ol ref=${this.list}>${steps.map((step, i) => html`
          <li key=${step.key} class=${`fact ${step.depth === 0 ? "input" : ""} ${
            focus === i ? "near" : ""}`} tabindex="0" onFocus=${() => this.setState({ focus: i })}
            onMouseEnter=${() => this.setState({ focus: i })}>
            <span class="kind">${`${at.get(step.key)} ${step.kind}`}</span>
            <${Time} ms=${step.time} long=${true} />
            <span class="dim">${step.depth === 0 ? "input" : causes(i).length > 0
              ? `follows from ${causes(i).join(", ")}` : ""}</span>
            <span class="text">${step.text}</span>
          </li>`)}</ol>
      </div>
    </${Panel}>`;
  }
}
