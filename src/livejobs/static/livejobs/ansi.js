// @ts-check
// What a job wrote, for people: colours as classes, other commands for a terminal gone (`sanitize.plain`), links as links.

/** @typedef {{text: string, names: string, href: string}} Piece */

const COMMANDS =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is about
  /(?:\x1b\[|\x9b)([0-?]*)[ -/]*([@-~])|\x1b[\]PX^_][^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?|\x1b[ -/]*[0-~]?|[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/g;
const LINK = /https?:\/\/[^\s<>"'`]*[^\s<>"'`.,:;!?)\]}]/g;
const NAMES = ["", "bold", "dim", "italic", "underline", "", "", "inverse", "", "strike"];

/** @param {string} text */
export const plain = (text) => text.replace(COMMANDS, "");

/** @param {string} text @returns {Piece[]} */
export function piecesOf(text) {
  /** @type {Piece[]} */ const pieces = [];
  /** @type {Record<string, string>} */ let style = {};
  let run = "";
  const flush = () => {
    const names = [...new Set(Object.values(style))].map((name) => `lj-${name}`).join(" ");
    let from = 0;
    for (const { 0: href, index } of run.includes("://") ? run.matchAll(LINK) : []) {
      if (index > from) pieces.push({ text: run.slice(from, index), names, href: "" });
      pieces.push({ text: href, names, href });
      from = index + href.length;
    }
    if (run.length > from) pieces.push({ text: run.slice(from), names, href: "" });
    run = "";
  };
  let at = 0;
  for (const { 0: whole, 1: codes, 2: command, index } of text.matchAll(COMMANDS)) {
    run += text.slice(at, index);
    at = index + whole.length;
    if (command === "m") {
      flush();
      style = styled(style, codes);
    }
  }
  run += text.slice(at);
  flush();
  return pieces;
}

/** @param {Record<string, string>} style @param {string} codes */
function styled(style, codes) {
  let next = { ...style };
  const numbers = codes.split(/[;:]/).map(Number);
  for (let at = 0; at < numbers.length; at++) {
    const n = numbers[at];
    const [tens, ones] = [Math.trunc(n / 10), n % 10];
    const part = [3, 9].includes(tens) ? "fg" : [4, 10].includes(tens) ? "bg" : "";
    if (n === 0) next = {};
    else if (NAMES[n]) next[n] = NAMES[n];
    else if (tens === 2) for (const off of ones === 2 ? [1, 2] : [ones]) delete next[off];
    else if (part && ones === 9) delete next[part];
    else if (part && ones === 8 && tens < 9) {
      const [how, ...colour] = numbers.slice(at + 1, at + 5);
      if (how === 5 || how === 2) setColour(next, part, how === 5 ? indexed(colour[0]) : nearest(colour));
      at += how === 5 ? 2 : 4;
    } else if (part && ones < 8) setColour(next, part, ones + (tens > 8 ? 8 : 0));
  }
  return next;
}

/** Black and white are those of the page. @param {Record<string, string>} style @param {string} part @param {number} colour */
function setColour(style, part, colour) {
  delete style[part];
  if (colour % 8 && colour % 8 < 7) style[part] = `${part}${colour % 8}`;
  else if (part === "bg") style.bg = "bg0";
  else if (colour === 8) style.fg = "dim";
}

/** @param {number} n of 256 @returns {number} of 16 */
function indexed(n) {
  if (n < 16) return n;
  if (n > 231) return n < 244 ? 8 : 7;
  return nearest([36, 6, 1].map((unit) => (Math.trunc((n - 16) / unit) % 6) * 51));
}

/** @param {number[]} rgb @returns {number} of 16 */
function nearest(rgb) {
  const [most, least] = [Math.max(...rgb), Math.min(...rgb)];
  if (most - least < 48) return most < 140 ? 8 : 7;
  return rgb.reduce((sum, value, at) => sum + (value > (most + least) / 2 ? 1 << at : 0), 0);
}
