// Formats of numbers and times. Times are UTC; local time is shown on hover.
import { html } from "/page/html.js";

const two = (n) => String(n).padStart(2, "0");

export const clock = (ms) => {
  const d = new Date(ms);
  return `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}:${two(d.getUTCSeconds())}`;
};

export const day = (ms) => {
  const d = new Date(ms);
  return `${d.getUTCFullYear()}-${two(d.getUTCMonth() + 1)}-${two(d.getUTCDate())}`;
};

export const local = (ms) => `${new Date(ms).toLocaleString()} local time`;

// Before the first close of a journal there is no market time yet.
export function Time({ ms, long }) {
  if (!(ms > 0 && ms < 8.64e15)) return html`<span class="dim">none yet</span>`;
  const text = long ? `${day(ms)} ${clock(ms)}` : clock(ms);
  const title = `${day(ms)} ${clock(ms)} UTC, ${local(ms)}`;
  return html`<time datetime=${new Date(ms).toISOString()} title=${title}>${text}</time>`;
}

// 12 s, 3 min, 2 h 5 min, 4 d 3 h
export function span(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

export const count = (n, word) => `${n.toLocaleString("en")} ${word}${n === 1 ? "" : "s"}`;

// Decimals arrive as text and are shown unchanged, except amounts of money.
export function money(text, sign) {
  if (text === null || text === undefined) return "–";
  const n = Number(text);
  const shown = n.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  return sign && n > 0 ? `+${shown}` : shown;
}

// Decimals of a price on the page: more for a tiny one, so that five figures are left.
export const decimals = (n) => (n >= 1000 ? 2 : n >= 1 ? 4
  : n > 0 && n < 0.0001 ? Math.min(20, 4 - Math.floor(Math.log10(n))) : 6);

export function price(n) {
  if (!Number.isFinite(n)) return "–";
  return n.toLocaleString("en", { maximumFractionDigits: decimals(n) });
}

// A quotient has many decimals; eight figures say enough. Never with an exponent.
export function quotient(text) {
  if (text === null) return "–";
  const n = Number(Number(text).toPrecision(8));
  return /e/.test(String(n)) ? n.toFixed(Math.min(24, 7 - Math.floor(Math.log10(Math.abs(n)))))
    .replace(/\.?0+$/, "") : String(n);
}

// Gains and losses differ by sign, not by colour alone.
export const Gain = ({ value }) => {
  const n = Number(value ?? 0);
  const kind = n > 0 ? "gain" : n < 0 ? "loss" : "";
  return html`<span class=${kind}>${value === null ? "–" : money(value, true)}</span>`;
};

export const Side = ({ side }) => html`<span class=${`side ${side}`}>
  <span aria-hidden="true">${side === "buy" ? "▲" : "▼"}</span> ${side}</span>`;
