import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { describe } from "../../src/livejobs/static/livejobs/describe.js";
import { estimate, exact, number, whole } from "../../src/livejobs/static/livejobs/format.js";
import { say, useWords } from "../../src/livejobs/static/livejobs/words.js";

/** @param {string} path */
const read = (path) => readFileSync(new URL(path, import.meta.url), "utf8");
const vectors = JSON.parse(read("../vectors/describe.json"));

// the English texts as words.py has them: a text is a Python string of one line
const words = Object.fromEntries(
  [...read("../../src/livejobs/web/words.py").matchAll(/^ {4}"(\w+)": _\("(.*)"\),$/gm)].map(([, key, text]) => [key, text]),
);
useWords(words);

for (const { job, row } of vectors.rows) {
  test(`a row: ${row.word}, ${row.line.slice(0, 60)}`, () => assert.deepEqual(describe(job, vectors.now, vectors.rights), row));
}

test("numbers", () => {
  for (const [value, text] of vectors.numbers) assert.equal(number(value), text);
});

test("durations", () => {
  for (const [ms, growing, over, coming] of vectors.durations) {
    assert.deepEqual([whole(ms), exact(ms), estimate(ms)], [growing, over, coming], `${ms} ms`);
  }
});

test("why a queued job waits follows from the status", () => {
  const { job } = vectors.rows[0];
  /** @param {number} workers @param {"up" | "down"} broker */
  const line = (workers, broker) =>
    describe(job, vectors.now, [], { live: "up", queues: { livejobs: { workers, broker } } }).line;
  assert.equal(line(2, "up"), "Waiting for a worker · 8 s");
  assert.equal(line(0, "up"), "No worker is running");
  assert.equal(line(0, "down"), "Accepted; it starts when the queue can be reached");
});

test("without the right there is no action", () => {
  for (const { job } of vectors.rows) assert.deepEqual(describe(job, vectors.now, ["start"]).actions, []);
});

test("a text without an entry is its key", () => assert.equal(say("nonsense"), "nonsense"));
