// @ts-check
// Of a job's row, and of its page.
import { html, nothing } from "../vendor/lit-html.js";
import { say } from "../words.js";

/** Decoration: the word beside it says the same. @param {string} name */
export const icon = (name) =>
  html`<svg class="lj-icon" aria-hidden="true"><use href="#lj-${name}"></use></svg>`;

/** @param {import("../describe.js").Row} said */
export const barOf = ({ bar, name }) =>
  bar
    ? html`<progress max=${bar.max} value=${bar.value} aria-label=${say("progress", { name })}></progress>`
    : nothing;
