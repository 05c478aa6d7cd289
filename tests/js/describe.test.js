import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { describe } from "../../src/livejobs/static/livejobs/describe.js";
import { clock, estimate, exact, whole } from "../../src/livejobs/static/livejobs/format.js";
import { number, say, useWords } from "../../src/livejobs/static/livejobs/words.js";

/** @param {string} path */
const read = (path) => readFileSync(new URL(path, import.meta.url), "utf8");
const vectors = JSON.parse(read("../vectors/describe.json"));

// the English texts as words.py has them: a text is a Python string of one line
const words = Object.fromEntries(
  [...read("../../src/livejobs/web/words.py").matchAll(/^ {4}"(\w+)": _\("(.*)"\),$/gm)].map(([, key, text]) => [key, text]),
);
useWords(words, "en");

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

test("numbers and times are those of the reader's language", () => {
  const noon = new Date(2026, 9, 31, 14, 5, 7).toISOString(); // in the zone of this process
  assert.match(clock(noon), /^2:05:07\sPM$/);
  assert.match(clock(noon, "short"), /^2:05\sPM$/);
  useWords(words, "de");
  assert.deepEqual([number(1234567.89), exact(3000), whole(200000000)], ["1.234.567,8", "3,0 s", "2 d 7 h"]);
  assert.deepEqual([clock(noon), clock(noon, "short")], ["14:05:07", "14:05"]);
  assert.equal(say("new", { n: 1000 }), "1.000 new");
  useWords(words, "ar-EG");
  assert.equal(exact(3000), "٣٫٠ s");
  useWords(words, "en");
  assert.equal(say("stop_job", { id: "1000" }), "Stop job 1000?");
});

test("why a queued job waits follows from the status", () => {
  const { job } = vectors.rows[0];
  /** @param {number} workers @param {"up" | "down"} broker */
  const line = (workers, broker) =>
    describe(job, vectors.now, [], { live: "up", notices: [], queues: { livejobs: { workers, broker } } }).line;
  assert.equal(line(2, "up"), "Waiting for a worker · 8 s");
  assert.equal(line(0, "up"), "No worker is running");
  assert.equal(line(0, "down"), "Accepted; it starts when the queue can be reached");
});

test("without the right there is no action", () => {
  for (const { job } of vectors.rows) assert.deepEqual(describe(job, vectors.now, ["start"]).actions, []);
});

test("a text without an entry is its key", () => assert.equal(say("nonsense"), "nonsense"));
