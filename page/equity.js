// Equity after each close, and its drawdown.
import { Component, createRef, html } from "/page/html.js";
import { get } from "/page/api.js";
import { one, onChange } from "/page/store.js";
import { Panel } from "/page/table.js";
import { clock, day, money } from "/page/format.js";
import { onTheme, paint } from "/page/theme.js";

const POINTS = 5000;
const MINUTE = 60000;
const FRESH = 30; // Closes requested beyond those that are missing,
const PAUSE = 500; // and the time between two requests, ms.
const utc = (seconds) => window.uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC");

// The axis fits the values, however small a part of the whole their changes are.
function fit(low, high) {
  if (low == null) return [0, 1];
  const margin = Math.max((high - low) * 0.1, Math.abs(high) * 1e-5, 0.01);
  return [low - margin, high + margin];
}

// Deposits and withdrawals are neither profit nor loss.
const own = (point) => Number(point.equity) - Number(point.adjusted ?? 0);

export class Equity extends Component {
  place = createRef();
  below = createRef();
  state = { told: "" };
  points = [];

  async componentDidMount() {
    onTheme(() => this.build());
    new ResizeObserver(() => this.resize()).observe(this.place.current);
    await this.load();
    onChange((changed) => {
      if (changed.has("equity")) this.soon();
    });
  }

  async load() {
    this.points = await get(`/api/v1/equity?limit=${POINTS}`).catch(() => []);
    this.draw();
  }

  // The stream carries the newest close only, so the page requests those between.
  soon() {
    if (this.waiting) return;
    this.waiting = setTimeout(() => {
      this.waiting = null;
      this.follow().catch(() => {});
    }, PAUSE);
  }

  async follow() {
    const newest = one("equity")?.time ?? 0;
    const last = this.points.at(-1)?.time ?? 0;
    if (newest <= last) return;
    const limit = Math.min(POINTS, Math.ceil((newest - last) / MINUTE) + FRESH);
    const fresh = await get(`/api/v1/equity?limit=${limit}`);
    if (!fresh.length) return;
    if (fresh[0].time > last) {
      await this.load();
      return;
    }
    this.points.push(...fresh.filter((point) => point.time > last));
    if (this.points.length > 2 * POINTS) this.points.splice(0, POINTS);
    this.draw();
  }

  data() {
    let high = -Infinity;
    const times = [], values = [], drawdown = [];
    for (const point of this.points) {
      const value = own(point);
      high = Math.max(high, value);
      times.push(point.time / 1000);
      values.push(value);
      drawdown.push(high > 0 ? ((value - high) / high) * 100 : 0);
    }
    return { times, values, drawdown };
  }

  build() {
    const c = paint();
    for (const chart of this.charts ?? []) chart.destroy();
    const axis = { stroke: c.ink, grid: { stroke: c.line, width: 1 },
      ticks: { stroke: c.line, width: 1 }, font: `11px ${c.font}` };
    const times = (_, ticks) => ticks.map((s, i) => {
      const first = i === 0 || day(s * 1000) !== day(ticks[i - 1] * 1000);
      return first ? `${day(s * 1000).slice(5)}\n${clock(s * 1000).slice(0, 5)}`
        : clock(s * 1000).slice(0, 5);
    });
    const values = (chart, ticks) => ticks.map((v) => (
      chart === this.charts?.[1] ? `${v.toFixed(2)} %` : v.toLocaleString("en")));
    const range = (chart, low, high) => (chart === this.charts?.[1]
      ? [Math.min(low * 1.1, -0.01), 0] : fit(low, high));
    const common = (height) => ({
      width: this.width(), height, tzDate: utc, legend: { show: false },
      cursor: { sync: { key: "equity" }, y: false },
      scales: { x: { time: true }, y: { range } },
      axes: [{ ...axis, values: times }, { ...axis, size: 74, values }],
    });
    this.charts = [
      new window.uPlot({ ...common(150), series: [{}, { stroke: c.accent, width: 2 }] },
        [[], []], this.place.current),
      new window.uPlot({ ...common(100), series: [{}, { stroke: c.loss, width: 1,
        fill: `${c.loss}33` }] }, [[], []], this.below.current),
    ];
    this.draw();
  }

  width() {
    return Math.max(200, Math.floor(this.place.current.clientWidth));
  }

  resize() {
    const [upper, lower] = this.charts ?? [];
    if (!upper || upper.width === this.width()) return;
    upper.setSize({ width: this.width(), height: 150 });
    lower.setSize({ width: this.width(), height: 100 });
  }

  draw() {
    if (!this.charts || this.points.length === 0) return;
    const { times, values, drawdown } = this.data();
    this.charts[0].setData([times, values]);
    this.charts[1].setData([times, drawdown]);
    const most = Math.abs(Math.min(...drawdown)).toFixed(2);
    this.setState({ told: `${money(values.at(-1))} now, drawdown ${
      Math.abs(drawdown.at(-1)).toFixed(2)} %, maximum drawdown ${most} % since ${
      day(this.points[0].time)} (${values.length} closes). Deposits and withdrawals excluded.` });
  }

  render(_, { told }) {
    return html`<${Panel} id="equity" title="Equity and drawdown">
      <div ref=${this.place} role="img" aria-label=${`Equity. ${told}`}></div>
      <div ref=${this.below} role="img" aria-label="Drawdown, percent"></div>
      <p class="note">${told || "No close yet."}</p>
    </${Panel}>`;
  }
}
