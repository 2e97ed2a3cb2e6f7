// Light or dark: the system's setting, unless the user chose.
const wide = matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set();

export const theme = () => document.documentElement.dataset.theme
  ?? (wide.matches ? "dark" : "light");

export function turn() {
  const other = theme() === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = other;
  localStorage.setItem("everwarm.theme", other);
  tell();
}

export function onTheme(listener) {
  listeners.add(listener);
  listener();
}

function tell() {
  for (const listener of listeners) listener();
}

// The current colours, for the charts.
export function paint() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(`--${name}`).trim();
  return { panel: of("panel"), ink: of("ink"), line: of("line"), gain: of("gain"),
    loss: of("loss"), accent: of("accent"), blue: of("blue"), font: of("font") };
}

const chosen = localStorage.getItem("everwarm.theme");
if (chosen) document.documentElement.dataset.theme = chosen;
wide.addEventListener("change", tell);
