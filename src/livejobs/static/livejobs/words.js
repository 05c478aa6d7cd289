// @ts-check
// The page's texts come from the server, in the reader's language: `words.py`.

/** @type {Record<string, string>} */
let table = {};

/** @param {Record<string, string>} words */
export function useWords(words) {
  table = words;
}

/** @param {string} key @param {Record<string, unknown>} [values] */
export function say(key, values = {}) {
  return (table[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}
