// @ts-check
import { html, nothing } from "../vendor/lit-html.js";
import { say } from "../words.js";
import { button, pre } from "./parts.js";

const FIRST_ROWS = 100;
const COLUMNS_MAX = 12;

/** A list of objects as a table, text as text, else JSON.
 * @param {unknown} value @param {boolean} all show every row @param {() => void} showAll */
export function resultOf(value, all, showAll) {
  if (value === null || value === undefined) return html`<p class="lj-none">${say("no_result")}</p>`;
  if (typeof value === "string") return pre(value);
  const columns = columnsOf(value);
  if (!columns) return pre(JSON.stringify(value, null, 2));
  return table(/** @type {Record<string, unknown>[]} */ (value), columns, all, showAll);
}

/** Of a list of objects; null where it is none, or too wide. @param {unknown} value */
function columnsOf(value) {
  if (!Array.isArray(value) || !value.length) return null;
  /** @type {Set<string>} */ const names = new Set();
  for (const row of value) {
    if (row === null || typeof row !== "object" || Array.isArray(row)) return null;
    Object.keys(row).forEach((name) => names.add(name));
    if (names.size > COLUMNS_MAX) return null;
  }
  return names.size ? [...names] : null;
}

/** @param {Record<string, unknown>[]} rows @param {string[]} columns @param {boolean} all @param {() => void} showAll */
function table(rows, columns, all, showAll) {
  const shown = all ? rows : rows.slice(0, FIRST_ROWS);
  return html`<div class="lj-scroll" tabindex="0" role="group" aria-labelledby="lj-result"><table class="lj-data">
    <thead><tr>${columns.map((name) => html`<th scope="col" class=${typeof rows[0][name] === "number" ? "lj-num" : ""}>${name}</th>`)}</tr></thead>
    <tbody>${shown.map((row) => html`<tr>${columns.map((name) => cell(Object.hasOwn(row, name) ? row[name] : undefined))}</tr>`)}</tbody></table></div>
    ${shown.length < rows.length ? button(say("show_all", { n: rows.length }), showAll, "lj-more") : nothing}`;
}

/** @param {unknown} value */
function cell(value) {
  if (typeof value === "number") return html`<td class="lj-num">${value}</td>`;
  return html`<td dir="auto">${typeof value === "string" ? value : value === undefined ? "" : JSON.stringify(value)}</td>`;
}
