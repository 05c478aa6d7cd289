import assert from "node:assert/strict";
import test from "node:test";
import { piecesOf, plain } from "../../src/livejobs/static/livejobs/ansi.js";

const E = "\x1b[";

/** @param {string} text */
const styles = (text) => piecesOf(text).map(({ text, names }) => [text, names]);

for (const [text, ...pieces] of /** @type {[string, ...[string, string][]][]} */ ([
  ["plain", ["plain", ""]],
  [""],
  [`${E}31mred${E}0m and not`, ["red", "lj-fg1"], [" and not", ""]],
  [`${E}1;92;44mbold${E}m`, ["bold", "lj-bold lj-fg2 lj-bg4"]],
  [
    `${E}1mone ${E}32mtwo ${E}39mone ${E}22mnone`,
    ["one ", "lj-bold"],
    ["two ", "lj-bold lj-fg2"],
    ["one ", "lj-bold"],
    ["none", ""],
  ],
  [`${E}2;3;4;9mall${E}22;23;24;29mnone`, ["all", "lj-dim lj-italic lj-underline lj-strike"], ["none", ""]],
  [`${E}7mturned${E}27m`, ["turned", "lj-inverse"]],
  [`${E}30mblack${E}37mwhite${E}90mgrey`, ["black", ""], ["white", ""], ["grey", "lj-dim"]],
  [`${E}40mon black${E}49m`, ["on black", "lj-bg0"]],
  [`${E}38;5;9mred${E}38;5;46mgreen${E}38;5;240mgrey`, ["red", "lj-fg1"], ["green", "lj-fg2"], ["grey", "lj-dim"]],
  [`${E}38;2;250;20;30;1mred${E}48;2;0;0;200mblue`, ["red", "lj-bold lj-fg1"], ["blue", "lj-bold lj-fg1 lj-bg4"]],
  [`${E}38;5mnothing${E}38;9;1mnothing${E}999;?mnothing`, ["nothing", ""], ["nothing", ""], ["nothing", ""]],
  [`${E}2K${E}1A50 %${E}?25l${E}K`, ["50 %", ""]],
  ["\x1b]0;title\x07text\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", ["textlink", ""]],
  ["a\x07\x08\x00\x9bb", ["a", ""]],
  ["\u202eabc\u2066d\u2069\u202c", ["abcd", ""]],
  ["tab\tand\nline", ["tab\tand\nline", ""]],
  ["\x1b", ""],
])) {
  test(`styles of ${JSON.stringify(text)}`, () => assert.deepEqual(styles(text), pieces.filter(Boolean)));
}

for (const [text, ...links] of [
  ["see https://example.org/a?b=c#d.", "https://example.org/a?b=c#d"],
  ['(http://a.b/c), <https://d.e>; "http://f.g/"!', "http://a.b/c", "https://d.e", "http://f.g/"],
  ["javascript://x data:x ftp://a.b file:///c www.d.e https:// http://."],
  [`${E}4mhttp://a.b${E}0m`, "http://a.b"],
  ["http://a.b/\u202ecod.exe", "http://a.b/cod.exe"],
]) {
  test(`links of ${JSON.stringify(text)}`, () => {
    const pieces = piecesOf(text);
    assert.deepEqual(
      pieces.flatMap(({ href }) => href || []),
      links,
    );
    assert.equal(pieces.map(({ text }) => text).join(""), plain(text));
    for (const { text, href } of pieces) assert.ok(!href || href === text);
  });
}

test("whatever it is, what is shown is the text without its commands", () => {
  const parts = ["\x1b", "[", "]", "0", ";", "31", "m", "\x9b", "\x07", "\\", "a", "http://", ".", "\u202e", " "];
  let seed = 1;
  const next = () => {
    seed = (seed * 1664525 + 1013904223) % 2 ** 32;
    return parts[Math.floor((seed / 2 ** 32) * parts.length)];
  };
  for (let round = 0; round < 2000; round++) {
    const text = Array.from({ length: 12 }, next).join("");
    assert.equal(
      piecesOf(text)
        .map((piece) => piece.text)
        .join(""),
      plain(text),
    );
    assert.ok(!["\x1b", "\x9b", "\x07", "\u202e"].some((each) => plain(text).includes(each)));
  }
});

test("a long line is read in one go", () => {
  const begun = performance.now();
  for (const text of [`${E}1`.repeat(20_000), "\x1b".repeat(50_000), "http://".repeat(20_000), `${E}${"0".repeat(50_000)}`])
    piecesOf(text);
  assert.ok(performance.now() - begun < 1000);
});
