// @ts-check
// The texts of `words.py`, and numbers as their language writes them.

/** @type {Record<string, string>} */
let table = {};
/** Of the document; undefined: of the browser. @type {string | undefined} */
export let language;

/** @param {Record<string, string>} words @param {string} [lang] for tests */
export function useWords(words, lang = document.documentElement?.lang) {
  table = words;
  language = lang || undefined;
}

/** Give an id as text: it is no number. @param {string} key @param {Record<string, unknown>} [values] */
export function say(key, values = {}) {
  return (table[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => {
    const value = values[name];
    return typeof value === "number" ? number(value) : String(value);
  });
}

/** Each costs more than all it writes. @type {Record<string, Intl.NumberFormat>} */
const numbers = {};

/** Cut to a tenth, not rounded. @param {number} value @param {number} [least] digits of its fraction */
export const number = (value, least = Number.isInteger(value) ? 0 : 1) =>
  (numbers[`${language} ${least}`] ??= new Intl.NumberFormat(language, { minimumFractionDigits: least })).format(
    Math.trunc(value * 10) / 10 || 0,
  );
