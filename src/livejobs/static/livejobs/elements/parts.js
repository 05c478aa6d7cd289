// @ts-check
// What several elements draw alike.
import { piecesOf } from "../ansi.js";
import { clock } from "../format.js";
import { html, nothing } from "../vendor/lit-html.js";
import { say } from "../words.js";

/** Decoration: the word beside it says the same. @param {string} name */
export const icon = (name) => html`<svg class="lj-icon" aria-hidden="true"><use href="#lj-${name}"></use></svg>`;

/** State, bar and second line. @param {import("../describe.js").Row} said */
export const stateOf = ({ kind, word, bar, name, line }) =>
  html`${icon(kind)}<span class="lj-word">${word}</span> <span class="lj-line">${
    bar ? html`<progress max=${bar.max} value=${bar.value} aria-label=${say("progress", { name })}></progress>` : nothing
  }<span class="lj-text" dir="auto" title=${line}>${line}</span></span>`;

/** @param {unknown} text @param {() => void} click @param {string} [more] classes */
export const button = (text, click, more = "") =>
  html`<button type="button" class="lj-button ${more}" @click=${click}>${text}</button>`;

/** A part of a job's page. @param {string} key of its title, and of its id @param {unknown} body
 * @param {unknown} [head] beside the title @param {unknown} [title] */
export const panel = (key, body, head, title = say(key)) =>
  html`<section class="lj-panel" aria-labelledby="lj-${key}"><div class="lj-panelhead"><h2 id="lj-${key}">${title}</h2>${head}</div>${body}</section>`;

/** @param {unknown} text */
export const pre = (text) => html`<pre class="lj-pre" dir="auto" tabindex="0">${text}</pre>`;

/** @param {string} at */
export const timeOf = (at) => html`<time datetime=${at}>${clock(at)}</time>`;

/** What a job wrote. @param {string} text */
export const rich = (text) =>
  piecesOf(text).map(({ text, names, href }) =>
    href
      ? html`<a class=${names} href=${href} target="_blank" rel="noopener noreferrer">${text}</a>`
      : names
        ? html`<span class=${names}>${text}</span>`
        : text,
  );
