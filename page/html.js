// The component library, bound to its templates.
import { Component, createRef, h, render } from "/page/vendor/preact/preact.mjs";
import htm from "/page/vendor/htm/htm.mjs";

export const html = htm.bind(h);
export { Component, createRef, render };
