import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { JobStore } from "../../src/livejobs/static/livejobs/store.js";

/** @param {string} name */
const read = (name) => JSON.parse(readFileSync(new URL(`../vectors/${name}.json`, import.meta.url), "utf8"));
/** @type {{name: string, events: any[], view: Record<string, any>}[]} */ const vectors = read("reducer");
/** @type {{name: string, frames: any[], shown: Record<string, string>, answered: boolean}[]} */
const conversations = read("conversations");

const WATCHES = [
  { action: "watch", id: "list", jobs: {} },
  { action: "watch", id: "job", job_id: 1 },
];
/** A list that is answered, so that events may come at any time. */
const ANSWERED = [
  { action: "watch", id: "all", jobs: {} },
  { action: "snapshot", watch: "all", jobs: [], more: false, from_id: 0, before: null },
];

/** @param {any[]} events */
function viewOf(events) {
  const store = new JobStore();
  [...ANSWERED, ...WATCHES, ...events].forEach((event) => store.apply(event));
  return Object.fromEntries(
    store.jobs().map((job) => {
      const open = store.open(job.id);
      return [job.id, { ...job, log: store.log(job.id), ...(open && { open }) }];
    }),
  );
}

/** Numbers that are the same each time. @param {number} seed */
function numbers(seed) {
  return () => {
    seed = (seed * 1664525 + 1013904223) % 2 ** 32;
    return seed / 2 ** 32;
  };
}

/** @template T @param {T[]} list @param {() => number} random */
function shuffled(list, random) {
  const copy = [...list];
  for (let at = copy.length - 1; at > 0; at--) {
    const other = Math.floor(random() * (at + 1));
    [copy[at], copy[other]] = [copy[other], copy[at]];
  }
  return copy;
}

for (const { name, events, view } of vectors) {
  test(`vector: ${name}`, () => assert.deepEqual(viewOf(events), view));

  test(`any order, any duplicate: ${name}`, () => {
    const random = numbers(events.length);
    for (let round = 0; round < 200; round++) {
      const twice = events.filter(() => random() < 0.3);
      assert.deepEqual(viewOf(shuffled([...events, ...twice], random)), view);
    }
  });
}

for (const { name, frames, shown, answered } of conversations) {
  test(`conversation: ${name}`, () => {
    const store = new JobStore();
    frames.forEach((frame) => store.apply(frame));
    assert.deepEqual(Object.fromEntries(store.jobs().map((job) => [job.id, job.state])), shown);
    assert.equal(store.answered, answered);
  });
}

/** @param {number} id @param {Partial<Job>} [more] */
const job = (id, more = {}) => ({
  id,
  version: 1,
  state: "queued",
  attempt: 0,
  progress: { tick: 0, current: null, total: null, message: "" },
  ...more,
});

/** A store that watches everything. @param {(flush: () => void) => void} [schedule] */
function watching(schedule) {
  const store = new JobStore(schedule);
  store.apply(WATCHES[0]);
  return store;
}

test("changes are told together, once for each schedule", () => {
  /** @type {(() => void)[]} */ const frames = [];
  const store = watching((flush) => frames.push(flush));
  /** @type {number[][]} */ const told = [];
  store.addEventListener("change", (event) => told.push([.../** @type {CustomEvent} */ (event).detail.ids]));
  store.apply({ action: "job", job: job(1) });
  store.apply({ action: "job", job: job(2) });
  store.apply({ action: "job", job: job(1, { version: 2, state: "running" }) });
  assert.equal(frames.length, 1);
  frames[0]();
  assert.deepEqual(told, [[1, 2]]);
  store.apply({ action: "job", job: job(1) });
  assert.equal(frames.length, 1, "an old version changes nothing");
});

test("a job that changed nothing keeps its view, so that a row need not be rendered", () => {
  const store = watching();
  store.apply({ action: "job", job: job(1) });
  const before = store.job(1);
  store.apply({ action: "job", job: job(1) });
  assert.equal(store.job(1), before);
});

test("of a long log the first and the last lines are kept, in whatever order they came", () => {
  const lines = Array.from({ length: 12_000 }, (_, at) => ({ seq: at + 1, attempt: 1, at: "", level: "info", text: "" }));
  const parts = Array.from({ length: 120 }, (_, at) => lines.slice(at * 100, at * 100 + 100));
  const random = numbers(7);
  for (const order of [parts, parts.toReversed(), shuffled([...parts, ...parts], random)]) {
    const store = watching();
    store.apply({ action: "job", job: job(1) });
    for (const part of order) store.apply({ action: "log", job_id: 1, lines: shuffled(part, random) });
    const kept = store.log(1).map(({ seq }) => seq);
    assert.equal(kept.length, 10_000);
    assert.deepEqual([kept[0], kept[4999], kept[5000], kept[9999]], [1, 5000, 7001, 12_000]);
  }
});

test("a log that was given is not changed afterwards", () => {
  const store = watching();
  const line = { seq: 2, attempt: 1, at: "", level: "info", text: "" };
  store.apply({ action: "log", job_id: 1, lines: [line] });
  const before = store.log(1);
  store.apply({ action: "log", job_id: 1, lines: [line] });
  assert.equal(store.log(1), before);
  store.apply({ action: "log", job_id: 1, lines: [{ ...line, seq: 1 }] });
  assert.deepEqual([before.length, store.log(1).length], [1, 2]);
});

test("what a store lets go of is told", async () => {
  const store = watching();
  store.apply({ action: "snapshot", watch: "list", jobs: [job(2), job(1)], more: false, from_id: 0 });
  await Promise.resolve();
  /** @type {number[][]} */ const told = [];
  store.addEventListener("change", (event) => told.push([.../** @type {CustomEvent} */ (event).detail.ids]));
  store.apply({ action: "narrowed", watch: "list", from_id: 2 });
  await Promise.resolve();
  assert.deepEqual(told, [[1]]);
  assert.equal(store.job(1), undefined);
});

test("a watch that is not answered may be expected to cover less", () => {
  const store = watching();
  store.apply({ action: "snapshot", watch: "list", jobs: [job(3), job(2), job(1)], more: false, from_id: 0 });
  store.expect("list", 2);
  assert.equal(store.jobs().length, 3, "it is answered: only the server narrows it");
  store.apply({ action: "hello" });
  store.expect("list", 2);
  assert.deepEqual(
    store.jobs().map(({ id }) => id),
    [3, 2],
  );
  store.expect("nothing of the kind", 9);
});

test("only so many ids are remembered as gone", () => {
  const store = watching();
  for (let id = 1; id <= 1001; id++) store.apply({ action: "gone", job_id: id });
  assert.ok(!store.gone(1));
  assert.ok(store.gone(1001));
});

test("gone is told, and for ever", () => {
  const store = watching();
  store.apply({ action: "job", job: job(1) });
  store.apply({ action: "gone", job_id: 1 });
  store.apply({ action: "job", job: job(1, { version: 9 }) });
  assert.equal(store.job(1), undefined);
  assert.ok(store.gone(1));
});
