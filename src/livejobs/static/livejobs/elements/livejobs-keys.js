// @ts-check
import { html } from "../vendor/lit-html.js";
import { say } from "../words.js";
import { LivejobsElement } from "./element.js";

const OFF = "livejobs-keys-off"; // in localStorage
const SHEET = [
  ["J K", "key_move"],
  ["Enter", "key_open"],
  ["C", "cancel"],
  ["R", "retry"],
  ["N", "key_runner"],
  ["Ctrl Enter", "run_any"],
  ["?", "key_sheet"],
];

/** The keys of the list, and the sheet that names them. */
export class LivejobsKeys extends LivejobsElement {
  start() {
    this.hear(document, "keydown", (event) => this.#pressed(event));
  }

  get on() {
    return localStorage.getItem(OFF) === null;
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (target.checkVisibility() && target.closest("input, select, textarea, dialog, [contenteditable]")) return;
    const key = event.key.toLowerCase();
    if (key !== "?" && !this.on) return;
    const row = target.closest(".lj-row");
    if (key === "j" || key === "k") this.#move(row, key === "j" ? 1 : -1);
    else if (key === "n") /** @type {HTMLElement | null} */ (document.querySelector("livejobs-form select"))?.focus();
    else if (key === "?") this.#sheet();
    else if (row && (key === "c" || key === "r")) {
      const actions = /** @type {any} */ (row.querySelector("livejobs-actions"));
      actions?.act(key === "c" ? "cancel" : "retry");
    } else return;
    event.preventDefault();
  }

  /** @param {Element | null} row @param {number} step */
  #move(row, step) {
    const rows = [...document.querySelectorAll(".lj-row")];
    const at = row ? rows.indexOf(row) + step : 0;
    rows[Math.max(0, Math.min(at, rows.length - 1))]?.querySelector("a")?.focus();
  }

  #sheet() {
    this.draw(html`<dialog class="lj-sheet" aria-labelledby="lj-keys-title">
      <h2 id="lj-keys-title">${say("keys")}</h2>
      <dl class="lj-facts">${SHEET.map(([keys, word]) => html`<dt>${keys.split(" ").map((key) => html`<kbd>${key}</kbd> `)}</dt><dd>${say(word)}</dd>`)}</dl>
      <label class="lj-check"><input type="checkbox" ?checked=${this.on} @change=${(/** @type {any} */ event) =>
        event.target.checked ? localStorage.removeItem(OFF) : localStorage.setItem(OFF, "")}>${say("keys_on")}</label>
      <form method="dialog"><button class="lj-button">${say("close")}</button></form></dialog>`);
    const dialog = this.querySelector("dialog");
    if (!dialog?.open) dialog?.showModal();
  }
}
