// Requests and changes. An error carries the daemon's text.
import { store, touch } from "/page/store.js";

async function answer(response) {
  const body = await response.json().catch(() => ({}));
  if (response.ok) return body;
  const error = new Error(body.detail ?? `the daemon responded with status ${response.status}`);
  error.status = response.status;
  throw error;
}

export const get = async (path) => answer(await fetch(path));

const send = async (method, path, body, headers) => answer(await fetch(path, {
  method,
  headers: { "Content-Type": "application/json", ...headers },
  body: JSON.stringify(body),
}));

export const post = (path, body, headers) => send("POST", path, body, headers);

// Shows a message for five seconds, for screen readers too.
export function say(text, bad) {
  store.said = { text, bad, until: Date.now() + 5000 };
  touch("said");
}

// Makes a change, and requests the token first if the page is not signed in.
export async function change(path, body, done, method = "POST") {
  try {
    const view = await send(method, path, body);
    say(done(view));
    return view;
  } catch (error) {
    if (error.status === 401) {
      store.signedIn = false;
      store.asking = () => change(path, body, done, method);
      touch("session");
    } else {
      say(error.message, true);
    }
    return null;
  }
}

export async function signIn(token) {
  await post("/api/v1/session", {}, { Authorization: `Bearer ${token.trim()}` });
  store.signedIn = true;
  const again = store.asking;
  store.asking = null;
  touch("session");
  await again?.();
}

export async function learn() {
  const told = await get("/api/v1/session");
  store.signedIn = told.signed_in;
  touch("session");
}

export async function configuration() {
  store.config = await get("/api/v1/config");
  touch("config");
}

export const setting = (key) => store.config.find((row) => row.key === key)?.value;
