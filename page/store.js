// The state of the page: the rows of the event stream, and their age.
import { Component } from "/page/html.js";

const SILENCE = 7000; // The daemon sends something every two seconds.
const FLASH = 3000; // How long a restart is highlighted, ms.
// Of these sections only the newest rows are kept.
const KEPT = { events: 600, orders: 400, fills: 600, signals: 400 };

export const store = {
  connection: "connecting",
  at: 0, // The daemon's clock at the last message, ms.
  venueAt: null,
  uptime: 0,
  heard: 0, // Our clock at that moment.
  signedIn: false,
  config: [],
  flashes: new Map(), // Path of an actor: when its restart was seen.
};

const sections = new Map();
const listeners = new Set();
const dirty = new Set();
let frame = 0;
let source = null;

export const rows = (name) => sections.get(name) ?? new Map();
export const one = (name) => rows(name).get("") ?? null;
export const status = () => one("status") ?? {};

// All changes of a moment are shown together, at the next frame.
export function touch(name) {
  dirty.add(name);
  if (!frame) frame = requestAnimationFrame(flush);
}

function flush() {
  frame = 0;
  const changed = new Set(dirty);
  dirty.clear();
  for (const listener of listeners) listener(changed);
}

// A component that is shown again when one of its sections has changed.
export class Live extends Component {
  componentDidMount() {
    const wanted = this.constructor.sections;
    this.listen = (changed) => {
      if (wanted.some((name) => changed.has(name))) this.setState({});
    };
    listeners.add(this.listen);
    this.mounted?.();
  }
  componentWillUnmount() {
    listeners.delete(this.listen);
    this.unmounted?.();
  }
}

export function onChange(listener) {
  listeners.add(listener);
}

function take(data, whole) {
  if (whole) {
    for (const name of sections.keys()) dirty.add(name);
    const kept = sections.get("tree");
    sections.clear();
    if (kept) sections.set("tree.before", kept);
  }
  for (const [name, cells] of Object.entries(data.cells ?? {})) {
    if (!sections.has(name)) sections.set(name, new Map());
    const section = sections.get(name);
    for (const [key, row] of Object.entries(cells)) {
      if (name === "tree") flash(key, row, section);
      section.set(key, row);
    }
    for (const key of section.keys()) {
      if (section.size <= (KEPT[name] ?? Infinity)) break;
      section.delete(key);
    }
    touch(name);
  }
  for (const [name, cells] of Object.entries(data.gone ?? {})) {
    for (const key of Object.keys(cells)) sections.get(name)?.delete(key);
    touch(name);
  }
  sections.delete("tree.before");
}

// Highlights an actor that restarted.
function flash(path, row, section) {
  const before = section.get(path) ?? sections.get("tree.before")?.get(path);
  if (before && row.restarts > before.restarts) store.flashes.set(path, performance.now());
}

export function flashing(path) {
  const since = store.flashes.get(path);
  if (since === undefined) return false;
  if (performance.now() - since < FLASH) return true;
  store.flashes.delete(path);
  return false;
}

function heard(event) {
  const data = JSON.parse(event.data);
  store.at = data.at;
  store.uptime = data.uptime_ms;
  store.venueAt = data.venue_at;
  store.heard = Date.now();
  if (event.type !== "beat") take(data, event.type === "snapshot");
  connection("connected");
  touch("clock");
}

function connection(state) {
  if (store.connection === state) return;
  store.connection = state;
  document.body.classList.toggle("old", state === "disconnected");
  touch("connection");
}

export function connect() {
  source?.close();
  source = new EventSource("/api/v1/events");
  for (const kind of ["snapshot", "change", "beat"]) source.addEventListener(kind, heard);
  source.onerror = () => connection("disconnected");
}

// A browser gives up if the response was no stream, and cannot see that a daemon hangs.
setInterval(() => {
  const silent = store.heard > 0 && Date.now() - store.heard > SILENCE;
  if (silent) connection("disconnected");
  if (source && (source.readyState === EventSource.CLOSED || silent)) connect();
  touch("second");
}, 2000);

// The daemon's time now, as far as it is known.
export const now = () => (store.connection === "connected"
  ? store.at + (Date.now() - store.heard) : store.at);
