// @ts-check
// The check of the pages can fail: of everything that a page may show wrong it says a sentence.
import assert from "node:assert/strict";
import test from "node:test";
import { compare } from "./compare.js";

const said = { kind: "succeeded", word: "Completed", line: "in 1.0 s", name: "a", sub: "" };
const line = { seq: 1, attempt: 1, at: "2026-01-01T00:00:00.000Z", level: "info", text: "one" };

/** @param {number} id @param {object} [other] @returns {any} */
const job = (id, other) => ({ id, state: "succeeded", progress: { tick: 3 }, result: "long", ...other });

/** Ten jobs, of which the last has a long result. */
function truth() {
  const ids = [10, 9, 8, 7, 6, 5, 4, 3, 2, 1];
  const rows = Object.fromEntries(ids.map((id) => [id, { job: job(id), said: { ...said } }]));
  Object.assign(rows[10], { short: job(10, { result: null, truncated: true }) });
  return /** @type {any} */ ({ ids, rows, running: 0, logs: { 2: [line] }, least: 5, most: 8 });
}

/** A page with the newest five, and beside them one that is looked at by itself. @param {object} [other] @returns {any} */
function page(other) {
  const jobs = [10, 9, 8, 7, 6, 2].map((id) => job(id));
  return { health: "live", running: 0, more: true, top: Infinity, jobs, said: jobs.map(() => said), logs: new Map([[2, [line]]]), ...other };
}

/** @param {number[]} ids @param {object} [other] */
function showing(ids, other) {
  const jobs = ids.map((id) => job(id));
  return page({ jobs, said: jobs.map(() => said), logs: new Map(), ...other });
}

test("a page that is right", () => {
  assert.deepEqual(compare(page(), truth()), { found: [], untold: [] });
  assert.deepEqual(compare(showing([5, 4, 3, 2, 1], { top: 6, more: false }), truth()).found, []);
  const paged = showing([9, 5, 4, 3, 2, 1], { top: 6, more: false, logs: new Map([[9, []]]) });
  assert.deepEqual(compare(paged, { ...truth(), logs: { 9: [] } }).found, []);
});

test("a row may be truncated, and then it is so in every field", () => {
  const short = job(10, { result: null, truncated: true });
  const others = page().jobs.slice(1);
  assert.deepEqual(compare(page({ jobs: [short, ...others] }), truth()).found, []);
  assert.equal(compare(page({ jobs: [{ ...short, result: "" }, ...others] }), truth()).found.length, 1);
  assert.match(compare(page({ jobs: [page().jobs[0], job(9, { truncated: true }), ...others.slice(1)] }), truth()).found[0], /truncated/);
});

/** @type {Record<string, [any, RegExp]>} */
const wrong = {
  "it is not live": [page({ health: "catching_up" }), /catching_up/],
  "its counter is wrong": [page({ running: 1 }), /1 are running/],
  "a field is wrong": [page({ jobs: [job(10, { state: "queued" }), ...page().jobs.slice(1)] }), /job 10: state is "queued"/],
  "progress is wrong": [page({ jobs: [job(10, { progress: { tick: 2 } }), ...page().jobs.slice(1)] }), /job 10: progress/],
  "a field is missing": [page({ jobs: [job(10, { result: undefined }), ...page().jobs.slice(1)] }), /job 10: result/],
  "a word is wrong": [page({ said: page().jobs.map(() => ({ ...said, word: "Queued" })) }), /word reads “Queued”/],
  "a line of the log is missing": [page({ logs: new Map([[2, []]]) }), /0 lines of its log, not 1/],
  "a line of the log is another": [page({ logs: new Map([[2, [{ ...line, text: "two" }]]]) }), /line 1 is .*"two"/],
  "a row is missing": [showing([10, 9, 7, 6, 5]), /job 8 is missing/],
  "the newest is missing": [showing([9, 8, 7, 6, 5]), /job 10 is missing/],
  "a row is shown that nothing covers": [showing([10, 9, 8, 7, 6, 2]), /job 5 is missing/],
  "a row is above the list": [showing([9, 5, 4, 3, 2, 1], { top: 6, more: false }), /others are shown/],
  "a job is looked at and not shown": [page({ jobs: page().jobs.slice(0, 5) }), /job 2 is looked at/],
  "there are too few rows": [showing([10, 9, 8, 7]), /4 rows of 10/],
  "there are too many": [showing([10, 9, 8, 7, 6, 5, 4, 3, 2]), /it shows 9 rows/],
  "it has no button for older ones": [page({ more: false }), /no more than 5 of 10/],
  "it has one, and there are none": [showing([5, 4, 3, 2, 1], { top: 6 }), /more than 5 of 5/],
};
for (const [name, [shown, sentence]] of Object.entries(wrong)) {
  test(name, () => assert.match(compare(shown, truth()).found.join("\n"), sentence));
}

test("what the truth did not tell of is asked for", () => {
  const told = truth();
  delete told.rows[2];
  assert.deepEqual(compare(page(), told).untold, [2]);
});
