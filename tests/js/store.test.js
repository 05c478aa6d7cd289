import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { JobStore } from "../../src/livejobs/static/livejobs/store.js";

/** @type {{name: string, events: any[], view: Record<string, any>}[]} */
const vectors = JSON.parse(readFileSync(new URL("../vectors/reducer.json", import.meta.url), "utf8"));

/** @param {any[]} events */
function viewOf(events) {
  const store = new JobStore();
  events.forEach((event) => store.apply(event));
  return Object.fromEntries(store.jobs().map((job) => [job.id, { ...job, log: store.log(job.id) }]));
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

/** @param {number} id @param {Partial<Job>} [more] */
const job = (id, more = {}) => ({
  id, version: 1, state: "queued", attempt: 0, progress: { tick: 0, current: null, total: null, message: "" }, ...more,
});

test("changes are told together, once for each schedule", () => {
  /** @type {(() => void)[]} */ const frames = [];
  const store = new JobStore((flush) => frames.push(flush));
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
  const store = new JobStore();
  store.apply({ action: "job", job: job(1) });
  const before = store.job(1);
  store.apply({ action: "job", job: job(1) });
  assert.equal(store.job(1), before);
});

test("after a reconnect a list drops what it no longer holds, within its range only", () => {
  const store = new JobStore();
  store.apply({ action: "snapshot", jobs: [1, 2, 3, 4, 5].map((id) => job(id)), more: false });
  store.apply({ action: "hello" });
  store.apply({ action: "job", job: job(6) }); // it overtook the list
  store.apply({ action: "snapshot", jobs: [job(5), job(3)], more: true });
  assert.deepEqual(store.jobs().map(({ id }) => id), [6, 5, 3, 2, 1]);
  store.apply({ action: "snapshot", jobs: [job(2)], more: false }, 3);
  assert.deepEqual(store.jobs().map(({ id }) => id), [6, 5, 3, 2]);
  store.apply({ action: "job", job: job(1) });
  assert.equal(store.jobs().length, 5, "only gone is for ever");
});

test("gone is told, and for ever", () => {
  const store = new JobStore();
  store.apply({ action: "job", job: job(1) });
  store.apply({ action: "gone", job_id: 1 });
  store.apply({ action: "job", job: job(1, { version: 9 }) });
  assert.equal(store.job(1), undefined);
  assert.ok(store.gone(1));
});
