// Candles of one symbol, with indicators, signals, orders and fills.
import { Component, createRef, html } from "/page/html.js";
import { get } from "/page/api.js";
import { onChange, rows, status } from "/page/store.js";
import { Choice, Panel } from "/page/table.js";
import { decimals, price } from "/page/format.js";
import { onTheme, paint } from "/page/theme.js";
import { CandlestickSeries, createChart, createSeriesMarkers, LineSeries }
  from "/page/vendor/lightweight-charts/lightweight-charts.standalone.production.mjs";

const WIDTHS = { "1m": 60, "5m": 300, "15m": 900, "1h": 3600, "4h": 14400, "1d": 86400 };
const BARS = 600;
const FRESH = 30; // Bars requested after a close.
const PAST = 3000; // Orders, fills and signals looked through for one symbol.
const PAUSE = 500; // Between two requests for new bars, ms.

// The known values of one indicator.
const said = (bars, name) => bars.filter((bar) => bar.indicators?.[name] != null)
  .map((bar) => ({ time: bar.time, value: bar.indicators[name] }));

// Which features are drawn: those that lie where prices do, at most six.
const drawn = (bars) => {
  const near = (bar, value) => value > bar.close / 2 && value < bar.close * 2;
  const last = bars.findLast((bar) => bar.indicators) ?? {};
  return Object.keys(last.indicators ?? {})
    .filter((name) => near(last, last.indicators[name])).slice(0, 6);
};

const candle = (bar) => ({
  time: bar.open_time / 1000, open: Number(bar.open), high: Number(bar.high),
  low: Number(bar.low), close: Number(bar.close), indicators: bar.indicators,
  minutes: bar.minutes, complete: bar.complete,
});

// Fills of one bar and side are one mark.
function together(fills, at) {
  const marks = new Map();
  for (const row of fills) {
    const key = `${at(row)} ${row.side}`;
    const mark = marks.get(key) ?? { time: at(row), side: row.side, times: 0 };
    mark.times += 1;
    marks.set(key, mark);
  }
  return [...marks.values()];
}

export class Chart extends Component {
  place = createRef();
  state = { symbol: null, width: "1m", told: "" };
  bars = [];
  past = { orders: [], fills: [], signals: [] };
  lines = [];

  componentDidMount() {
    this.chart = createChart(this.place.current, {
      autoSize: true,
      timeScale: { timeVisible: true, rightOffset: 4 },
      layout: { attributionLogo: true },
    });
    this.candles = this.chart.addSeries(CandlestickSeries, {});
    this.features = new Map();
    this.markers = createSeriesMarkers(this.candles, []);
    onTheme(() => this.paint());
    onChange((changed) => this.changed(changed));
  }

  paint() {
    const c = paint();
    this.chart.applyOptions({
      layout: { background: { color: c.panel }, textColor: c.ink, fontFamily: c.font },
      grid: { vertLines: { color: c.line }, horzLines: { color: c.line } },
      timeScale: { borderColor: c.line }, rightPriceScale: { borderColor: c.line },
    });
    this.candles.applyOptions({
      upColor: c.panel, borderUpColor: c.gain, wickUpColor: c.gain,
      downColor: c.loss, borderDownColor: c.loss, wickDownColor: c.loss,
    });
    this.colour();
    this.mark();
  }

  changed(changed) {
    if (!this.state.symbol && rows("symbols").size > 0) {
      this.choose([...rows("symbols").keys()].sort()[0], this.state.width);
    }
    if (!this.state.symbol) return;
    if (changed.has("status") && status().close_time !== this.close) this.soon();
    if (["orders", "fills", "signals", "config"].some((name) => changed.has(name))) this.mark();
  }

  async choose(symbol, width) {
    this.setState({ symbol, width });
    const [bars, ...past] = await Promise.all([
      get(`/api/v1/bars/${symbol}/${width}?limit=${BARS}`),
      ...["orders", "fills", "signals"].map((name) => get(`/api/v1/${name}?limit=${PAST}`)),
    ]).catch(() => [[], [], [], []]);
    if (this.state.symbol !== symbol || this.state.width !== width) return;
    this.bars = bars.map(candle);
    const [orders, fills, signals] = past.map((l) => l.filter((row) => row.symbol === symbol));
    this.past = { orders, fills, signals };
    this.draw();
    this.chart.timeScale().fitContent();
    const most = 160;
    if (this.bars.length > most) {
      const to = this.bars.length + 3;
      this.chart.timeScale().setVisibleLogicalRange({ from: to - most, to });
    }
  }

  // A new close: at most two requests a second at any pace.
  soon() {
    if (this.waiting) return;
    this.waiting = setTimeout(() => {
      this.waiting = null;
      this.follow().catch(() => {});
    }, PAUSE);
  }

  // Bars to request: back to before the oldest gap, which may have been filled since.
  reach() {
    const width = WIDTHS[this.state.width];
    const after = this.bars.find((bar, i) => i > 0 && bar.time - this.bars[i - 1].time > width);
    if (!after) return FRESH;
    const before = this.bars[this.bars.indexOf(after) - 1].time;
    return Math.min(BARS, (this.bars.at(-1).time - before) / width + FRESH);
  }

  async follow() {
    const { symbol, width } = this.state;
    this.close = status().close_time;
    const limit = this.reach();
    const fresh = (await get(`/api/v1/bars/${symbol}/${width}?limit=${limit}`)).map(candle);
    if (this.state.symbol !== symbol || this.state.width !== width || !fresh.length) return;
    const last = this.bars.at(-1)?.time ?? 0;
    if (fresh[0].time > last) {
      await this.choose(symbol, width);
      return;
    }
    const news = fresh.filter((bar) => bar.time > last);
    if (!news.length) return;
    // The values of a bar may arrive after the bar.
    const old = this.bars.filter((bar) => bar.time < fresh[0].time);
    this.bars = [...old, ...fresh].slice(-2 * BARS);
    if (limit > FRESH) this.candles.setData(this.bars);
    else for (const bar of news) this.candles.update(bar);
    this.averages();
    this.mark();
  }

  // A line for each feature: the first is whole, others are dashed and dotted.
  averages() {
    const names = drawn(this.bars);
    for (const [name, line] of this.features) {
      if (!names.includes(name)) {
        this.chart.removeSeries(line);
        this.features.delete(name);
      }
    }
    for (const name of names) {
      if (!this.features.has(name)) {
        this.features.set(name, this.chart.addSeries(LineSeries, { lineWidth: 2,
          priceLineVisible: false, lastValueVisible: false }));
      }
      this.features.get(name).setData(said(this.bars, name));
    }
    this.colour();
  }

  colour() {
    const c = paint();
    const colours = [c.accent, c.blue, c.ink];
    [...this.features.values()].forEach((line, i) => line.applyOptions({
      color: colours[i % colours.length], lineStyle: [0, 2, 1][i % 3],
    }));
  }

  draw() {
    const least = Math.min(...this.bars.map((bar) => bar.close));
    const precision = decimals(least);
    this.candles.applyOptions({ priceFormat: { type: "price", precision,
      minMove: 10 ** -precision } });
    this.candles.setData(this.bars);
    this.averages();
    this.mark();
  }

  // All rows of a section about this symbol: from the request and from the stream since.
  all(name, key) {
    const merged = new Map(this.past[name].map((row) => [key(row), row]));
    for (const row of rows(name).values()) {
      if (row.symbol === this.state.symbol) merged.set(key(row), row);
    }
    return [...merged.values()];
  }

  mark() {
    if (!this.bars.length) return;
    const c = paint();
    const width = WIDTHS[this.state.width];
    const bar = (ms) => Math.floor(ms / 1000 / width) * width;
    const first = this.bars[0].time;
    const fills = this.all("fills", (row) => row.trade_id);
    const orders = this.all("orders", (row) => row.client_order_id);
    const signals = this.all("signals", (row) => `${row.key} ${row.strategy}`);
    const buy = (row) => row.side === "buy";
    const parts = this.bars.filter((bar) => bar.complete === false);
    const marks = [
      ...parts.map(({ time, minutes }) => ({ time, position: "belowBar", shape: "square", size: 0.3,
        color: c.loss, text: `${minutes} min` })),
      ...signals.map((row) => ({ time: bar(row.time - 1), position: "inBar", shape: "circle",
        color: c.accent, size: 0.6, text: row.outcome === "declined" ? "declined" : "" })),
      ...orders.filter((row) => ["rejected", "expired", "cancelled", "unknown"]
        .includes(row.status)).map((row) => ({ time: bar(row.time), shape: "square",
        position: buy(row) ? "belowBar" : "aboveBar", color: c.blue, text: row.status })),
      ...together(fills, (row) => bar(row.time)).map(({ time, side, times }) => ({ time,
        position: side === "buy" ? "belowBar" : "aboveBar",
        shape: side === "buy" ? "arrowUp" : "arrowDown", color: side === "buy" ? c.gain : c.loss,
        text: `${side === "buy" ? "B" : "S"}${times > 1 ? `×${times}` : ""}` })),
    ].filter((mark) => mark.time >= first).sort((a, b) => a.time - b.time);
    this.markers.setMarkers(marks);
    for (const line of this.lines) this.candles.removePriceLine(line);
    const open = orders.filter((row) => (row.price ?? row.stop_price)
      && ["sent", "open", "partly_filled", "unknown"].includes(row.status));
    const lots = [...rows("lots").values()].filter((lot) => lot.symbol === this.state.symbol
      && lot.average_price && Number(lot.quantity) !== 0);
    const averages = lots.map((lot) => this.candles.createPriceLine({
      price: Number(lot.average_price), color: c.accent, lineStyle: 1, axisLabelVisible: true,
      title: `${lot.strategy} average` }));
    this.lines = open.map((row) => this.candles.createPriceLine({
      price: Number(row.price ?? row.stop_price), color: row.stop_price ? c.loss : c.blue,
      lineStyle: 2, axisLabelVisible: true,
      title: `${row.stop_price ? "stop" : row.side} ${row.status}` })).concat(averages);
    const last = this.bars.at(-1);
    const lines = [...this.features.keys()].map((name, i) =>
      `${name} (${["line", "dashed", "dotted"][i % 3]})`).join(", ");
    this.setState({ told: `Last close ${price(last.close)}. ${lines ? `${lines}. ` : ""}`
      + `${signals.length} signals (dots), ${orders.length} orders, `
      + `${fills.length} fills (B bought, S sold).`
      + (parts.length ? ` ${parts.length} bars with missing minutes (squares).` : "") });
  }

  render(_, { symbol, width, told }) {
    const names = [...rows("symbols").keys()].sort();
    const aside = html`<label>Symbol <select value=${symbol ?? ""}
        onChange=${(e) => this.choose(e.target.value, width)}>${names.map((name) => html`
        <option key=${name} value=${name} selected=${name === symbol}>${name}</option>`)}</select>
      </label>
      <${Choice} label="Bar width" options=${Object.keys(WIDTHS)} value=${width}
        onChoose=${(chosen) => symbol && this.choose(symbol, chosen)} />`;
    return html`<${Panel} id="chart" title="Market" aside=${aside}>
      <div class="candles" ref=${this.place} role="img"
        aria-label=${`Candles of ${symbol ?? "no symbol"}. ${told}`}></div>
      <p class="note">${told || "Waiting for the first bar."}</p>
    </${Panel}>`;
  }
}
